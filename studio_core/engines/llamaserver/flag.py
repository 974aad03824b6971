"""The flags of the runner: llama-server's spelling → a field of xllamacpp's `CommonParams`.

Spellings, types and meanings are those of llama-server b11434 (`common/arg.cpp`); fields those of xllamacpp 2026.10.11549.
A flag that `CommonParams` cannot express is not here and is refused, as llama-server refuses what it does not know.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Flag:
    """One option. `field` is a dotted path below CommonParams; `read` turns its value's text into the field's value.

    Without `read` it is a switch: `on` is set by `names`, its opposite by `negated`. A flag that `adds` may be given again.
    """

    names: tuple[str, ...]
    field: str
    text: str
    read: Callable[[str], Any] | None = None
    value: str = ""
    negated: tuple[str, ...] = ()
    on: Any = True
    off: Any = False
    env: str = ""
    adds: bool = False

    @property
    def left(self) -> str:
        """The left side of its help line."""
        names = [*self.names, *self.negated]
        short, rest = (names[0], names[1:]) if len(names) > 1 and not names[0].startswith("--") else ("", names)
        return f"{short + ',' if short else '':<7}{', '.join(rest)} {self.value}".rstrip().strip()


def _words(text: str) -> list[str]:
    return [word for word in text.split(",") if word]


def _adapters(text: str) -> list[Any]:
    return [_adapter(path, 1.0) for path in _words(text)]


def _scaled(text: str) -> list[Any]:
    pairs = [one.split(":") for one in _words(text)]
    if any(len(pair) != 2 for pair in pairs):
        raise ValueError("lora-scaled format: FNAME:SCALE")
    return [_adapter(path, float(scale)) for path, scale in pairs]


def _adapter(path: str, scale: float) -> Any:
    import xllamacpp

    return xllamacpp.CommonAdapterLoraInfo(path, scale)


def _lines(path: str) -> list[str]:
    return [line for line in Path(path).read_text(encoding="utf-8").splitlines() if line]


def _member(enum: str, prefix: str) -> Callable[[str], Any]:
    """A reader for a name of one of xllamacpp's enums: `q8_0` is `GGML_TYPE_Q8_0`."""
    def read(text: str) -> Any:
        import xllamacpp

        members = getattr(xllamacpp, enum)
        name = prefix + text.upper().replace("-", "_").replace("+", "_")
        if not hasattr(members, name):
            raise ValueError(f"unknown value '{text}'")
        return getattr(members, name)
    return read


def _choice(values: dict[str, Any]) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        if text not in values:
            raise ValueError(f"unknown value '{text}'")
        return values[text]
    return read


def _flash(text: str) -> Any:
    words = {"on": "enabled", "off": "disabled", "auto": "auto"}
    return _member("llama_flash_attn_type", "LLAMA_FLASH_ATTN_TYPE_")(words.get(text, text))


def _load_mode(text: str) -> Any:
    words = {"dio": "direct-io"}
    return _member("llama_load_mode", "LLAMA_LOAD_MODE_")(words.get(text, text))


def _layers(text: str) -> int:
    return {"auto": -1, "all": -2}[text] if text in ("auto", "all") else int(text)


def _template_file(path: str) -> str:
    return Path(path).read_text(encoding="utf-8")


def _seed(text: str) -> int:
    return int(text) & 0xFFFFFFFF


_CACHE = _member("ggml_type", "GGML_TYPE_")
_REASONING = {"on": 1, "off": 0, "auto": -1}

TABLE: tuple[Flag, ...] = (
    Flag(("-m", "--model"), "model.path", "model file to load", str, "FNAME", env="LLAMA_ARG_MODEL"),
    Flag(("-a", "--alias"), "model_alias", "names of the model, comma-separated", lambda text: set(_words(text)), "STRING"),
    Flag(("--tags",), "model_tags", "tags of the model, comma-separated", lambda text: set(_words(text)), "STRING"),
    Flag(("--host",), "hostnames", "address to listen on", lambda text: [text], "HOST", env="LLAMA_ARG_HOST"),
    Flag(("--port",), "port", "port to listen on (0: any free one)", int, "PORT", env="LLAMA_ARG_PORT"),
    Flag(("--api-key",), "api_keys", "keys to ask of clients, comma-separated", _words, "KEY", env="LLAMA_API_KEY"),
    Flag(("--api-key-file",), "api_keys", "file with keys, one a line", _lines, "FNAME"),
    Flag(("-c", "--ctx-size"), "n_ctx", "size of the context in tokens (0: from the model)", int, "N",
         env="LLAMA_ARG_CTX_SIZE"),
    Flag(("-np", "--parallel"), "n_parallel", "number of slots (-1: auto, 4 with one unified KV buffer)", int, "N",
         env="LLAMA_ARG_N_PARALLEL"),
    Flag(("-kvu", "--kv-unified"), "kv_unified", "one KV buffer for all slots", negated=("-no-kvu", "--no-kv-unified")),
    Flag(("-cb", "--cont-batching"), "cont_batching", "continuous batching", negated=("-nocb", "--no-cont-batching")),
    Flag(("-t", "--threads"), "cpuparams.n_threads", "threads for generation", int, "N", env="LLAMA_ARG_THREADS"),
    Flag(("-tb", "--threads-batch"), "cpuparams_batch.n_threads", "threads for prompts", int, "N"),
    Flag(("--threads-http",), "n_threads_http", "threads for HTTP", int, "N", env="LLAMA_ARG_THREADS_HTTP"),
    Flag(("-b", "--batch-size"), "n_batch", "logical batch size", int, "N", env="LLAMA_ARG_BATCH"),
    Flag(("-ub", "--ubatch-size"), "n_ubatch", "physical batch size", int, "N", env="LLAMA_ARG_UBATCH"),
    Flag(("-n", "--predict", "--n-predict"), "n_predict", "most tokens to generate (-1: no limit)", int, "N"),
    Flag(("--keep",), "n_keep", "tokens of the prompt to keep", int, "N"),
    Flag(("-fa", "--flash-attn"), "flash_attn_type", "flash attention", _flash, "[on|off|auto]"),
    Flag(("-ctk", "--cache-type-k"), "cache_type_k", "type of the K cache (f16, q8_0, ...)", _CACHE, "TYPE"),
    Flag(("-ctv", "--cache-type-v"), "cache_type_v", "type of the V cache (f16, q8_0, ...)", _CACHE, "TYPE"),
    Flag(("-ngl", "--gpu-layers", "--n-gpu-layers"), "n_gpu_layers", "layers on the GPU (a number, auto or all)", _layers,
         "N", env="LLAMA_ARG_N_GPU_LAYERS"),
    Flag(("-sm", "--split-mode"), "split_mode", "how to split over GPUs",
         _member("llama_split_mode", "LLAMA_SPLIT_MODE_"), "{none,layer,row,tensor}"),
    Flag(("-mg", "--main-gpu"), "main_gpu", "the GPU for what is not split", int, "INDEX"),
    Flag(("-mm", "--mmproj"), "mmproj.path", "file of the vision part", str, "FILE", env="LLAMA_ARG_MMPROJ"),
    Flag(("--lora",), "lora_adapters", "files of LoRA adapters, comma-separated", _adapters, "FNAME", adds=True),
    Flag(("--lora-scaled",), "lora_adapters", "LoRA adapters with their scales", _scaled, "FNAME:SCALE,...", adds=True),
    Flag(("--lora-init-without-apply",), "lora_init_without_apply", "load the adapters and wait for POST /lora-adapters"),
    Flag(("-lm", "--load-mode"), "load_mode", "how the file is read", _load_mode, "{auto,none,mmap,mlock,mmap+mlock,dio}"),
    Flag(("-fit", "--fit"), "fit_params", "fit unset options to free memory", _choice({"on": True, "off": False}),
         "[on|off]"),
    Flag(("--check-tensors",), "check_tensors", "check the tensors' data"),
    Flag(("-nkvo", "--no-kv-offload"), "no_kv_offload", "keep the KV cache off the GPU", negated=("-kvo", "--kv-offload")),
    Flag(("--swa-full",), "swa_full", "full-size cache for sliding windows"),
    Flag(("--cache-prompt",), "cache_prompt", "reuse the cache of common prompt beginnings",
         negated=("--no-cache-prompt",)),
    Flag(("--cache-reuse",), "n_cache_reuse", "least chunk to reuse by shifting", int, "N"),
    Flag(("-cram", "--cache-ram"), "cache_ram_mib", "largest prompt cache in MiB (-1: no limit, 0: off)", int, "N"),
    Flag(("--context-shift",), "ctx_shift", "shift the context when it is full", negated=("--no-context-shift",)),
    Flag(("--warmup",), "warmup", "an empty run after loading", negated=("--no-warmup",)),
    Flag(("--rope-freq-base",), "rope_freq_base", "RoPE base frequency", float, "N"),
    Flag(("--rope-freq-scale",), "rope_freq_scale", "RoPE frequency scale", float, "N"),
    Flag(("--yarn-orig-ctx",), "yarn_orig_ctx", "YaRN: original context", int, "N"),
    Flag(("--metrics",), "endpoint_metrics", "answer /metrics"),
    Flag(("--slots",), "endpoint_slots", "answer /slots", negated=("--no-slots",)),
    Flag(("--props",), "endpoint_props", "allow changes through POST /props"),
    Flag(("--slot-save-path",), "slot_save_path", "folder for saved slots", lambda text: text.rstrip("/") + "/", "PATH"),
    Flag(("--ui", "--webui"), "ui", "the web page at /", negated=("--no-ui", "--no-webui")),
    Flag(("-to", "--timeout"), "timeout_read", "timeout of reads and writes in seconds", int, "N"),
    Flag(("--embedding", "--embeddings"), "embedding", "only embeddings"),
    Flag(("--pooling",), "pooling_type", "pooling of embeddings",
         _member("llama_pooling_type", "LLAMA_POOLING_TYPE_"), "{none,mean,cls,last,rank}"),
    Flag(("--jinja",), "use_jinja", "the jinja engine for chat templates", negated=("--no-jinja",)),
    Flag(("--chat-template",), "chat_template", "chat template: a name or its text", str, "TEMPLATE"),
    Flag(("--chat-template-file",), "chat_template", "file with the chat template", _template_file, "FNAME"),
    Flag(("--chat-template-kwargs",), "default_template_kwargs", "arguments of the template, as JSON",
         lambda text: {name: json.dumps(value) for name, value in json.loads(text).items()}, "JSON"),
    Flag(("--reasoning-format",), "reasoning_format", "where thoughts go",
         _member("common_reasoning_format", "COMMON_REASONING_FORMAT_"), "{auto,none,deepseek,deepseek-legacy}"),
    Flag(("--reasoning-budget",), "sampling.reasoning_budget_tokens", "most tokens of a thought (-1: no limit)", int, "N"),
    Flag(("-rea", "--reasoning"), "enable_reasoning", "thinking", _choice(_REASONING), "[on|off|auto]"),
    Flag(("--prefill-assistant",), "prefill_assistant", "continue an assistant's last message",
         negated=("--no-prefill-assistant",)),
    Flag(("--sleep-idle-seconds",), "sleep_idle_seconds", "unload after this idle time (-1: never)", int, "N"),
    Flag(("-s", "--seed"), "sampling.seed", "seed of the sampler (-1: random)", _seed, "SEED"),
    Flag(("--temp", "--temperature"), "sampling.temp", "temperature", float, "N"),
    Flag(("--top-k",), "sampling.top_k", "top-k", int, "N"),
    Flag(("--top-p",), "sampling.top_p", "top-p", float, "N"),
    Flag(("--min-p",), "sampling.min_p", "min-p", float, "N"),
    Flag(("--repeat-penalty",), "sampling.penalty_repeat", "penalty of repetition", float, "N"),
    Flag(("--presence-penalty",), "sampling.penalty_present", "penalty of presence", float, "N"),
    Flag(("--frequency-penalty",), "sampling.penalty_freq", "penalty of frequency", float, "N"),
    Flag(("-lv", "--verbosity", "--log-verbosity"), "verbosity", "3: server, 4: libllama too, 5: debug", int, "N",
         env="LLAMA_ARG_LOG_VERBOSITY"),
    Flag(("-v", "--verbose", "--log-verbose"), "verbosity", "everything", on=2**31 - 1),
    Flag(("--log-jsonl",), "log_json", "one JSON object a line", negated=("--no-log-jsonl",)),
    Flag(("--offline",), "offline", "no network"),
)

HELP = ("-h", "--help", "--usage")
VERSION = ("--version",)


def spellings() -> Iterable[tuple[str, ...]]:
    """Every option's spellings, `--help` and `--version` included."""
    return (HELP, VERSION, *((*flag.names, *flag.negated) for flag in TABLE))
