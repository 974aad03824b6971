"""llama.cpp's own server from the package `xllamacpp`, under llama-server's spelling of a stated list of flags.

`python -m studio_core.engines.llamaserver --model FILE --port N ...`; `--help` prints the list. Anything else is
refused as llama-server does. Logs are llama.cpp's own; SIGTERM ends it with 0.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Flag:
    """A flag by llama-server's names. `put(params, text)` sets it; a switch takes no value."""

    names: tuple[str, ...]
    value: str
    doc: str
    put: Callable[[Any, str], None]


def _attribute(path: str, read: Callable[[str], Any] = str) -> Callable[[Any, str], None]:
    def put(params: Any, text: str) -> None:
        *parents, name = path.split(".")
        target = params
        for parent in parents:
            target = getattr(target, parent)
        setattr(target, name, read(text))

    return put


def _constant(path: str, value: Any) -> Callable[[Any, str], None]:
    return _attribute(path, lambda _: value)


def _enum(path: str, prefix: str) -> Callable[[Any, str], None]:
    """A member of the enum that the attribute holds now, named by its last part."""

    def put(params: Any, text: str) -> None:
        kind = type(getattr(params, path))
        name = f"{prefix}_{text}".upper()
        found = next((member for member in kind if member.name.upper() == name), None)
        if found is None:
            raise ValueError(text)
        setattr(params, path, found)

    return put


def _file(path: str) -> Callable[[Any, str], None]:
    def put(params: Any, text: str) -> None:
        with open(text, encoding="utf-8") as file:
            setattr(params, path, file.read())

    return put


def _words(text: str) -> set[str]:
    return {word.strip() for word in text.split(",") if word.strip()}


TABLE = (
    Flag(("-m", "--model"), "FNAME", "model file", _attribute("model.path")),
    Flag(("-a", "--alias"), "STRING", "names under which it answers, separated by commas", _attribute("model_alias", _words)),
    Flag(("--host",), "HOST", "address to listen on", _attribute("hostnames", lambda text: [text])),
    Flag(("--port",), "PORT", "port to listen on", _attribute("port", int)),
    Flag(("-c", "--ctx-size"), "N", "size of the context", _attribute("n_ctx", int)),
    Flag(("-np", "--parallel"), "N", "number of slots", _attribute("n_parallel", int)),
    Flag(("-b", "--batch-size"), "N", "logical batch size", _attribute("n_batch", int)),
    Flag(("-ub", "--ubatch-size"), "N", "physical batch size", _attribute("n_ubatch", int)),
    Flag(("-n", "--predict", "--n-predict"), "N", "tokens to generate at most", _attribute("n_predict", int)),
    Flag(("-t", "--threads"), "N", "threads for generation", _attribute("cpuparams.n_threads", int)),
    Flag(("-tb", "--threads-batch"), "N", "threads for prompts", _attribute("cpuparams_batch.n_threads", int)),
    Flag(("--threads-http",), "N", "threads for HTTP", _attribute("n_threads_http", int)),
    Flag(("-ngl", "--gpu-layers", "--n-gpu-layers"), "N", "layers on the GPU", _attribute("n_gpu_layers", int)),
    Flag(("-mg", "--main-gpu"), "INDEX", "the main GPU", _attribute("main_gpu", int)),
    Flag(("-fa", "--flash-attn"), "on|off|auto", "flash attention", lambda params, text: _flash(params, text)),
    Flag(("-ctk", "--cache-type-k"), "TYPE", "type of the K cache", _enum("cache_type_k", "GGML_TYPE")),
    Flag(("-ctv", "--cache-type-v"), "TYPE", "type of the V cache", _enum("cache_type_v", "GGML_TYPE")),
    Flag(("-s", "--seed"), "SEED", "seed of the sampling", _attribute("sampling.seed", int)),
    Flag(("--temp",), "N", "temperature", _attribute("sampling.temp", float)),
    Flag(("--top-k",), "N", "top-k sampling", _attribute("sampling.top_k", int)),
    Flag(("--top-p",), "N", "top-p sampling", _attribute("sampling.top_p", float)),
    Flag(("--min-p",), "N", "min-p sampling", _attribute("sampling.min_p", float)),
    Flag(("-mm", "--mmproj"), "FILE", "multimodal projector", _attribute("mmproj.path")),
    Flag(("--chat-template",), "TEMPLATE", "chat template", _attribute("chat_template")),
    Flag(("--chat-template-file",), "FILE", "file with a chat template", _file("chat_template")),
    Flag(("--api-key",), "KEY", "key that clients must give (better: LLAMA_API_KEY)", _attribute("api_keys", lambda t: [t])),
    Flag(("-to", "--timeout"), "N", "read and write timeout in seconds", lambda params, text: _timeout(params, int(text))),
    Flag(("--sleep-idle-seconds",), "N", "sleep after this long without work", _attribute("sleep_idle_seconds", int)),
    Flag(("-lv", "--verbosity", "--log-verbosity"), "N", "how much is logged, 0 to 5", _attribute("verbosity", int)),
    Flag(("--metrics",), "", "serve /metrics", _constant("endpoint_metrics", True)),
    Flag(("--slots",), "", "serve /slots", _constant("endpoint_slots", True)),
    Flag(("--no-slots",), "", "do not serve /slots", _constant("endpoint_slots", False)),
    Flag(("--props",), "", "allow POST /props", _constant("endpoint_props", True)),
    Flag(("--jinja",), "", "use the model's jinja template", _constant("use_jinja", True)),
    Flag(("--no-jinja",), "", "do not use jinja", _constant("use_jinja", False)),
    Flag(("--embedding", "--embeddings"), "", "serve embeddings", _constant("embedding", True)),
    Flag(("--no-warmup",), "", "skip the warm-up run", _constant("warmup", False)),
    Flag(("-cb", "--cont-batching"), "", "continuous batching", _constant("cont_batching", True)),
    Flag(("-nkvo", "--no-kv-offload"), "", "keep the KV cache off the GPU", _constant("no_kv_offload", True)),
    Flag(("--context-shift",), "", "shift the context when it is full", _constant("ctx_shift", True)),
    Flag(("--log-jsonl",), "", "log one JSON object a line", _constant("log_json", True)),
)
BY_NAME = {name: flag for flag in TABLE for name in flag.names}


def _flash(params: Any, text: str) -> None:
    states = {"on": "ENABLED", "off": "DISABLED", "auto": "AUTO"}
    params.flash_attn_type = type(params.flash_attn_type)[f"LLAMA_FLASH_ATTN_TYPE_{states[text]}"]


def _timeout(params: Any, seconds: int) -> None:
    params.timeout_read = params.timeout_write = seconds


def usage() -> str:
    """The stated list, as --help prints it."""
    rows = [f"{', '.join(flag.names)} {flag.value}".ljust(44) + flag.doc for flag in TABLE]
    return "llama.cpp's server from xllamacpp; it takes these flags of llama-server:\n\n" + "\n".join(rows)


def fill(params: Any, arguments: Sequence[str]) -> None:
    """Set every flag. Raises ValueError with llama-server's own words."""
    rest = list(arguments)
    while rest:
        name = rest.pop(0)
        flag = BY_NAME.get(name)
        if flag is None:
            raise ValueError(f"error: invalid argument: {name}")
        if flag.value and not rest:
            raise ValueError(f"error: while handling argument \"{name}\": expected value for argument")
        text = rest.pop(0) if flag.value else ""
        try:
            flag.put(params, text)
        except (ValueError, KeyError, OSError, AttributeError) as error:
            raise ValueError(f"error: while handling argument \"{name}\": invalid value {text!r} ({error})") from error


def main(arguments: Sequence[str]) -> int:
    """Serve until SIGTERM or SIGINT. 1 when the arguments, the model or the port are wrong."""
    if {"-h", "--help", "--usage"} & set(arguments):
        print(usage())
        return 0
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.use_jinja = params.endpoint_slots = True
    if key := os.environ.get("LLAMA_API_KEY"):
        params.api_keys = [key]
    try:
        fill(params, arguments)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    # The engine's threads would run Python's handler late or never: a blocked signal is waited for instead.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    try:
        server = xllamacpp.Server(params)
    except RuntimeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    del server
    return 0


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    # Past the interpreter's teardown: the engine's threads may still hold its memory.
    os._exit(code)
