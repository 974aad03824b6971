"""What llama-server prints and publishes, as data.

Milestones and signatures were seen in the output of xllamacpp 2026.10.11549 (llama.cpp b11549) and of llama-server b11434 with
`--verbosity 4`, on 2026-11-24 and 28 (tests/engines/recorded), or read in the source of b11434 (offload, multimodal, memory of
GPUs).
"""

from __future__ import annotations

import re

from studio_core.engines import remedy
from studio_core.engines.engine import Milestone, Signature, cause

MILESTONES = tuple(Milestone(name, re.compile(pattern), percent, stage) for name, percent, stage, pattern in (
    ("build", 1, "starting", r"build_info: (?P<version>\S+)"),
    ("init", 2, "starting", r"srv +\S+: initializing \.\.\."),
    ("load_start", 5, "opening the model", r"load_model: loading model '"),
    ("fitted", 10, "fitting to memory", r"successfully fit params to free device memory"),
    ("meta", 15, "reading metadata", r"loaded meta data with \d+ key-value pairs"),
    ("vocabulary", 25, "reading the vocabulary", r"token to piece cache size = "),
    ("tensors", 30, "loading tensors", r"loading model tensors, this can take a while"),
    ("offload", 70, "tensors on the GPU", r"offloaded \d+/\d+ layers to GPU"),
    ("buffer", 72, "tensors loaded", r"\S+ model buffer size = +[\d.]+ MiB"),
    ("kv", 82, "KV cache", r"\S+ KV buffer size = +[\d.]+ MiB"),
    ("compute", 88, "compute buffers", r"\S+ compute buffer size = +[\d.]+ MiB"),
    ("warmup", 90, "warming up", r"warming up the model with an empty run"),
    ("multimodal", 92, "vision model loaded", r"loaded multimodal model, '"),
    ("slots", 95, "making slots", r"initializing, n_slots = \d+"),
    ("loaded", 99, "model loaded", r": model loaded$"),
    ("listening", 100, "listening", r": listening on http"),
))

_SMALLER = remedy.halve("max_model_len", 2048)
# Signature → the change of the recipe that it calls for.
FIXES = {
    "port_in_use": remedy.put("let Studio choose a free port", port=None),
    "bad_flag": remedy.unknown_flags,
    "removed_flag": remedy.bad_value,
    "bad_value": remedy.bad_value,
    "gpu_memory": _SMALLER,
    "memory": _SMALLER,
    "host_memory": _SMALLER,
    "bad_template": remedy.first(remedy.drop("--chat-template-file"), remedy.drop("--chat-template")),
}
# The first signature in this order that matches any line names the cause; so the specific come first.
SIGNATURES: tuple[Signature, ...] = tuple(
    cause(name, pattern, title, hint, FIXES.get(name), weak=weak) for name, weak, title, hint, pattern in (
        ("port_in_use", False, "port {port} on {host} cannot be bound",
         "another process holds it, or the address is not of this machine: choose another port",
         r"couldn't bind HTTP server socket, hostname: (?P<host>\S+), port: (?P<port>\d+)"),
        ("bad_flag", False, "llama-server does not know {flag}", "remove it from extra_args, or update llama.cpp",
         r"error: invalid argument: (?P<flag>\S+)"),
        ("removed_flag", False, "llama-server no longer has {flag}", "use {instead}",
         r"error while handling argument \"(?P<flag>[^\"]+)\": the argument has been removed\. use (?P<instead>.+)"),
        ("bad_value", False, "llama-server refuses the value of {flag}", "correct it in the recipe",
         r"error while handling argument \"(?P<flag>[^\"]+)\""),
        ("unknown_arch", False, "this llama.cpp does not know the architecture {arch}", "update llama.cpp",
         r"un(?:known|supported) model architecture: '(?P<arch>[^']+)'"),
        ("model_missing", False, "the model file {path} is not there", "correct model_path",
         r"failed to open GGUF file '(?P<path>[^']+)' \(No such file"),
        ("model_unreadable", False, "the model file {path} cannot be read", "check the permissions of the file",
         r"failed to open GGUF file '(?P<path>[^']+)' \(Permission"),
        ("gguf_broken", False, "the model file is damaged or incomplete", "fetch it again, and check that all parts are there",
         r"failed to read key-value pairs|failed to read header|invalid magic|tensor '[^']+' not found"
         r"|data is not within the file bounds|wrong number of tensors; expected"
         r"|has invalid data|error loading model (?:hyperparameters|vocabulary)"),
        # Before what any lack of memory also says.
        ("host_memory", False, "there is too little memory for the model",
         "lower max_model_len or max_num_seqs, or use a smaller quantization",
         r"ggml_aligned_malloc: insufficient memory|failed to allocate CPU\S* buffer|std::bad_alloc|[Cc]annot allocate memory"),
        ("gpu_memory", False, "the GPU has too little free memory",
         "lower max_model_len, set n_gpu_layers lower, or cache_type_k and cache_type_v to q8_0",
         r"allocating [\d.]+ MiB on device \d+: cudaMalloc failed|failed to fit params to free device memory"
         r"|failed to allocate buffer for kv cache|failed to allocate compute (?:pp|tg) buffers"),
        ("memory", False, "there is too little memory for the model",
         "lower max_model_len or max_num_seqs, or use a smaller quantization",
         r"failed to allocate (?:\S+ )?buffer"),
        ("no_gpu", False, "this llama-server cannot use the GPU", "install a build for your GPU, or drop the device flags",
         r"no usable GPU found|ggml_cuda_init: failed to initialize CUDA|invalid device: \S+"),
        ("bad_template", False, "the chat template cannot be parsed", "correct chat_template or chat_template_file",
         r"chat template parsing error|[Ff]ailed to parse chat template|supplied chat template is not supported"),
        ("runner_missing", False, "xllamacpp is not installed",
         "install the demo extra (pip install 'studio-tui[demo]') or a llama-server",
         r"No module named 'xllamacpp'"),
        ("load_failed", True, "the model could not be loaded", "read the last lines of its log",
         r"exiting due to model loading error"),
        ("http_failed", True, "the HTTP server could not start", "read the last lines of its log",
         r"exiting due to HTTP server error"),
    )
)

SERIES = {
    "running": "llamacpp:requests_processing",
    "waiting": "llamacpp:requests_deferred",
    "prompt_tokens": "llamacpp:prompt_tokens_total",
    "cached_tokens": "llamacpp:prompt_tokens_cached_total",
    "generated_tokens": "llamacpp:tokens_predicted_total",
    "prompt_tokens_per_second": "llamacpp:prompt_tokens_seconds",
    "generated_tokens_per_second": "llamacpp:predicted_tokens_seconds",
}

# Flags that Studio sets itself or that would hide the engine from it, and what to use instead.
OWNED = {
    "--host": "engines listen on loopback; the gateway is their address",
    "--port": "use the recipe's field port",
    "--reuse-port": "the port belongs to one engine",
    "--model": "use the recipe's field model_path",
    "--alias": "use the recipe's field served_model_name",
    "--api-key": "each start gets a key of its own; clients use Studio's keys",
    "--api-key-file": "each start gets a key of its own; clients use Studio's keys",
    "--api-prefix": "the gateway expects the engine's own paths",
    "--ssl-key-file": "the gateway speaks plain HTTP to engines on loopback",
    "--ssl-cert-file": "the gateway speaks plain HTTP to engines on loopback",
}
