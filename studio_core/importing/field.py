"""Which flag of an engine is which field of a recipe, as data. The builders' own tables are the base of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from studio_core.engines import llamacpp_table, sglang, sglang_table, tabby_table, thinking, vllm, vllm_table
from studio_core.engines.catalog import shipped
from studio_core.engines.field import Field

# vLLM's own reading of such numbers: 1k is 1000, 1K is 1024 (vllm/engine/arg_utils.py, human_readable_int).
_SCALES = {"k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
_HUMAN = re.compile(r"(\d+(?:\.\d+)?)([kmgtKMGT])?\Z")


def count(value: Any) -> int:
    """A whole number of one at least. Raises ValueError, then the value stays an argument; so do all of these."""
    match = _HUMAN.match(str(value).strip())
    number = float(match[1]) * _SCALES.get(match[2] or "", 1) if match else 0
    if number < 1 or number != int(number):
        raise ValueError(value)
    return int(number)


def budget(value: Any) -> int:
    """What a recipe's budget may be; others, such as -1 for no limit, stay an argument."""
    number = int(value)
    if not thinking.LOWEST <= number <= thinking.HIGHEST:
        raise ValueError(value)
    return number


def share(value: Any) -> float:
    number = float(value)
    if not 0 < number <= 1:
        raise ValueError(value)
    return number


def port(value: Any) -> int:
    number = int(value)
    if not 0 < number < 65536:
        raise ValueError(value)
    return number


def word(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(value)
    return value


def parser(value: Any) -> str:
    """`none` means to a recipe that nobody chose one, not that none is wanted."""
    if value == "none":
        raise ValueError(value)
    return word(value)


def cache(value: Any) -> str:
    if value == "auto":
        raise ValueError(value)
    return word(value)


def true(value: Any) -> bool:
    if value is not True:
        raise ValueError(value)
    return True


def switch(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(value)
    return value


def adapters(value: Any) -> list[dict[str, str]]:
    """`name=path` words; the JSON form may say more than a recipe can, so it stays an argument then."""
    pairs = [str(one).partition("=") for one in (value if isinstance(value, list) else [value])]
    if not pairs or any(not name or not path or name.startswith("{") for name, _, path in pairs):
        raise ValueError(value)
    return [{"name": name, "path": path} for name, _, path in pairs]


def adapter_files(value: Any) -> list[dict[str, Any]]:
    """llama.cpp's own, which have no names: each is called like its file."""
    paths = [str(one) for one in (value if isinstance(value, list) else [value])]
    if not paths or not all(paths):
        raise ValueError(value)
    return [{"name": _stem(path), "path": path} for path in paths]


def scaled_files(value: Any) -> list[dict[str, Any]]:
    pairs = [str(one).rpartition(":") for one in (value if isinstance(value, list) else [value])]
    if not pairs or any(not path or ":" in path for path, _, _ in pairs):
        raise ValueError(value)
    return [{"name": _stem(path), "path": path, "scale": float(scale)} for path, _, scale in pairs]


def _stem(path: str) -> str:
    last = path.rstrip("/").rpartition("/")[2]
    return last.removesuffix(".gguf") or last or path


Convert = Callable[[Any], Any]
_CONVERT: Mapping[str, Convert] = {
    "tensor_parallel_size": count, "pipeline_parallel_size": count, "max_model_len": count, "max_num_seqs": count,
    "gpu_memory_utilization": share, "kv_cache_dtype": cache, "trust_remote_code": true, "quantization": word, "dtype": word,
    "tool_call_parser": parser, "reasoning_parser": parser,
}


def _built(engine: str, fields: Sequence[Field]) -> dict[str, tuple[str, Convert]]:
    catalog = shipped(engine)
    found = ((catalog.find(field.flag), field.name) for field in fields)
    return {key(flag.name): (name, _CONVERT[name]) for flag, name in found if flag is not None}


def key(spelling: str) -> str:
    return spelling.lstrip("-").replace("-", "_")


# Engine → key of a flag → field of the recipe, and how the value is read.
FIELDS: Mapping[str, Mapping[str, tuple[str, Convert]]] = {
    "vllm": {
        **_built("vllm", vllm.FIELDS), "port": ("port", port), "tool_call_parser": ("tool_call_parser", parser),
        "reasoning_parser": ("reasoning_parser", parser), "enable_auto_tool_choice": ("enable_auto_tool_choice", true),
        "lora_modules": ("lora_adapters", adapters),
    },
    "sglang": {
        **_built("sglang", sglang.FIELDS), "port": ("port", port), "tool_call_parser": ("tool_call_parser", parser),
        "reasoning_parser": ("reasoning_parser", parser), "lora_paths": ("lora_adapters", adapters),
    },
    "llamacpp": {"port": ("port", port), "ctx_size": ("max_model_len", count), "parallel": ("max_num_seqs", count),
                 "reasoning_budget": ("max_thinking_tokens", budget), "reasoning_effort": ("reasoning_effort", word),
                 "lora": ("lora_adapters", adapter_files), "lora_scaled": ("lora_adapters", scaled_files)},
    "tabbyapi": {
        "port": ("port", port), "max_seq_len": ("max_model_len", count), "cache_mode": ("kv_cache_dtype", cache),
        "tool_format": ("tool_call_parser", parser), "vision": ("vision", switch),
    },
    "mlx": {"port": ("port", port), "trust_remote_code": ("trust_remote_code", true)},
}
# Flags that name the model; the first that is given counts.
MODEL: Mapping[str, tuple[str, ...]] = {
    "vllm": ("model",), "sglang": ("model_path",), "llamacpp": ("model", "hf_repo", "model_url", "docker_repo"),
    "tabbyapi": ("model_name",), "mlx": ("model",),
}
# Flags that name what clients ask for; the first name is served, the others are aliases.
NAMES: Mapping[str, str] = {"vllm": "served_model_name", "sglang": "served_model_name", "llamacpp": "alias"}
# Flags that the builders write for Studio's own sake: no part of a recipe, and no loss where a line has none.
OURS: Mapping[str, frozenset[str]] = {
    "vllm": frozenset({"host", "port", "served_model_name"}),
    "sglang": frozenset({"host", "port", "served_model_name", "enable_metrics"}),
    "llamacpp": frozenset({"host", "port", "alias", "metrics", "verbosity"}),
    "tabbyapi": frozenset({"host", "port"}),
    "mlx": frozenset(),
}
_TLS = "the gateway speaks plain HTTP to engines on loopback"
# Beside what the engines' own tables forbid.
_ALSO = {key(name): _TLS for name in (
    "--ssl-ca-certs", "--ssl-cert-reqs", "--ssl-ciphers", "--enable-ssl-refresh", "--ssl-keyfile-password")}
# Flags that Studio sets itself or that would hide the engine from it, and why they are left out.
DROPPED: Mapping[str, Mapping[str, str]] = {
    engine: {**_ALSO, **{key(name): why for name, why in owned.items()}}
    for engine, owned in (("vllm", vllm_table.OWNED), ("sglang", sglang_table.OWNED), ("llamacpp", llamacpp_table.OWNED),
                          ("tabbyapi", tabby_table.OWNED), ("mlx", {}))
}
# Forms that an engine's parser takes beside its table: usual abbreviations that others begin with too.
SHORT: Mapping[str, Mapping[str, str]] = {
    "sglang": {"--tp": "--tp-size", "--pp": "--pp-size", "--dp": "--dp-size"},
}
# Engines whose parser (argparse) takes any unmistakable beginning of a long flag.
ABBREVIATED = frozenset({"vllm", "sglang", "tabbyapi"})
