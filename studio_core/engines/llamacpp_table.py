"""What llama.cpp's server prints, as data (b11434 and b11549)."""

from __future__ import annotations

import re

from studio_core.engines.engine import Milestone, Signature


def _milestone(id_: str, pattern: str, percent: float, stage: str) -> Milestone:
    return Milestone(id_, re.compile(pattern.encode()), percent, stage)


def _signature(id_: str, pattern: str, title: str, hint: str) -> Signature:
    return Signature(id_, re.compile(pattern), title, hint)


MILESTONES = (
    _milestone("load_start", r"loading model '", 5, "loading the model"),
    _milestone("meta", r"loaded meta data with \d+ key-value pairs", 8, "reading the model's header"),
    _milestone("tensors", r"loading model tensors, this can take a while", 15, "loading tensors"),
    _milestone("offload", r"offloaded \d+/\d+ layers to GPU", 60, "loading tensors"),
    _milestone("buffer", r"model buffer size = ", 65, "loading tensors"),
    _milestone("kv", r"KV buffer size = ", 80, "allocating the KV cache"),
    _milestone("compute", r"compute buffer size = ", 88, "allocating the KV cache"),
    _milestone("slots", r"initializing, n_slots = ", 95, "warming up"),
    _milestone("loaded", r"model loaded", 99, "opening the server"),
    _milestone("listening", r"listening on http", 100, "ready"),
)

SIGNATURES = (
    _signature(
        "bad_flag", r"error: invalid argument: (?P<flag>\S+)", "the engine does not know the flag {flag}",
        "remove {flag} from extra_args, or see the engine's --help",
    ),
    _signature(
        "port_in_use", r"couldn't bind HTTP server socket, hostname: \S+, port: (?P<port>\d+)", "port {port} is taken",
        "launch again: another port will be taken; see who holds it with: studio doctor",
    ),
    _signature(
        "unknown_arch", r"un(?:known|supported) model architecture: '(?P<arch>[^']+)'",
        "this llama.cpp does not know the architecture {arch}", "upgrade llama.cpp",
    ),
    _signature(
        "gguf_broken", r"tensor '[^']+' not found|wrong number of tensors; expected|has invalid data|invalid magic"
        r"|error loading model (?:hyperparameters|vocabulary)|data is not within the file bounds",
        "the model file is broken", "fetch it again; check that all parts are there",
    ),
    _signature(
        "gpu_memory", r"cudaMalloc failed|failed to allocate buffer for kv cache|failed to allocate compute",
        "the GPU has too little memory", "lower max_model_len or n_gpu_layers, or stop what else uses the GPU",
    ),
    _signature(
        "model_missing", r"failed to load model", "the model could not be loaded", "see the lines above it; check model_path",
    ),
    _signature("cannot_execute", r"cannot execute (?P<file>[^:]+): (?P<why>.+)", "cannot execute {file}: {why}", "check `binary`"),
)

# Ours → the engine's.
SERIES = {
    "running": "llamacpp:requests_processing",
    "waiting": "llamacpp:requests_deferred",
    "prompt_tokens": "llamacpp:prompt_tokens_total",
    "generated_tokens": "llamacpp:tokens_predicted_total",
}
