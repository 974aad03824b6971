"""What SGLang prints and publishes, and the flags that are Studio's, as data: read in the source of 0.5.23, not run here."""

from __future__ import annotations

import re
from collections.abc import Mapping

from studio_core.engines import python_table, remedy
from studio_core.engines.engine import Milestone, Probe, Signature, cause

MILESTONES = tuple(
    Milestone(name, re.compile(pattern), percent, stage, upto) for name, percent, upto, stage, pattern in (
        ("arguments", 2, None, "starting", r"server_args=ServerArgs\("),
        ("parallel", 5, None, "connecting the GPUs", r"Init (?:parallel|torch distributed) (?:begin|ends)"),
        ("download", 8, 10, "downloading", r"\.(?:safetensors|bin|pt|json|model): +(?P<pct>\d+)%\|"),
        ("load_start", 10, None, "loading weights", r"Load weight begin\. avail mem=[\d.]+ GB"),
        ("shards", 10, 60, "loading weights", r"(?:Loading|Multi-thread loading)[^:]*: +(?P<pct>\d+)% Completed \|"),
        ("weights_done", 60, None, "weights loaded", r"Load weight end\."),
        ("kv", 70, None, "KV cache", r"KV Cache is allocated\."),
        ("pool_done", 72, None, "KV cache", r"Memory pool end\. avail mem=[\d.]+ GB"),
        ("graph_begin", 75, None, "capturing graphs", r"Capture .+? graph begin"),
        ("graphs", 75, 92, "capturing graphs", r"Capturing batches \(bs=\d+ avail_mem=[\d.]+ GB\): +(?P<pct>\d+)%"),
        ("graph_end", 92, None, "graphs captured", r"Capture .+? graph end"),
        ("capacity", 94, None, "starting the server", r"max_total_num_tokens=\d+, chunked_prefill_size="),
        ("http", 97, None, "warming up", r"Uvicorn running on"),
        ("ready", 100, None, "listening", r"The server is fired up and ready to roll"),
    )
)

_LOWER = remedy.first(remedy.step("gpu_memory_utilization", -0.05, 0.5), remedy.halve("max_num_seqs", 8))
_CAUSES: tuple[Signature, ...] = (
    cause("port_in_use", r"port \S+ is used by process|is not available in \d+ seconds|is used by a process already"
          r"|Port is already in use", "the port is taken by another process",
          "leave `port` out of the recipe, then Studio chooses a free one; or end the other process",
          remedy.put("let Studio choose a free port", port=None)),
    cause("max_len_over", r"context_length \((?P<len>\d+)\) is greater than the derived context_length \((?P<max>\d+)\)",
          "a context of {len} tokens is more than the model was made for ({max})", "lower max_model_len",
          remedy.put("lower max_model_len to {max}, the model's own", max_model_len="{max}")),
    cause("no_kv_memory", r"Not enough memory\. Please try to increase --mem-fraction-static|Loaded weights leave no GPU memory",
          "the weights leave no room for the KV cache", "raise gpu_memory_utilization, use more GPUs or a smaller quantization",
          remedy.step("gpu_memory_utilization", 0.05, 0.95)),
    cause("graph_memory", r"Capture cuda graph failed|when using backend: .* for prefill runner",
          "the capture of graphs failed, mostly for lack of memory",
          "lower gpu_memory_utilization, or set disable_cuda_graph in extra_args", _LOWER),
    cause("unbalanced_gpus", r"The memory capacity is unbalanced", "some of the GPUs are partly taken",
          "free them, or choose other gpus"),
    cause("gpu_memory", python_table.CUDA_MEMORY, "the GPU has too little memory",
          "lower gpu_memory_utilization, max_num_seqs or max_model_len", _LOWER),
    cause("architecture", r"(?P<arch>\S+) has no SGlang implementation", "SGLang does not know the architecture {arch}",
          "update SGLang, or choose another engine"),
    cause("tool_parser", r"Unsupported tool_call_parser: (?P<name>\S+)", "this SGLang has no tool call parser {name}",
          "choose another, or none", remedy.parser("tool_call_parser")),
    cause("reasoning_parser", r"Unsupported model type: (?P<name>\S+)\. Supported|Unsupported reasoning parser: (?P<other>\S+)",
          "this SGLang has no such reasoning parser", "choose another, or none", remedy.parser("reasoning_parser")),
)
_ECHOES: tuple[Signature, ...] = (
    cause("part_died", r"Received sigquit from a child process|Scheduler hit an exception|Rank \d+ scheduler died"
          r"|Initialization failed", "a process of SGLang was killed or crashed without saying why",
          python_table.MEMORY, weak=True),
)
SIGNATURES: tuple[Signature, ...] = (*_CAUSES, *python_table.SIGNATURES, *python_table.STALLS, *python_table.EXCEPTIONS, *_ECHOES)

# Published at /metrics where it is started with --enable-metrics.
SERIES: Mapping[str, str] = {
    "running": "sglang:num_running_reqs",
    "waiting": "sglang:num_queue_reqs",
    "prompt_tokens": "sglang:prompt_tokens_total",
    "cached_tokens": "sglang:cached_tokens_total",
    "generated_tokens": "sglang:generation_tokens_total",
    "generated_tokens_per_second": "sglang:gen_throughput",
    "kv_usage": "sglang:token_usage",
    "ttft_seconds": "sglang:time_to_first_token_seconds_sum",
    "ttft_count": "sglang:time_to_first_token_seconds_count",
    "preemptions": "sglang:num_retracted_requests_total",
}
# Refused until the schedulers are loaded, then 503 while it warms up: only 200 is ready.
PROBES = (Probe("/health", keyed=True), Probe("/v1/models", keyed=True))
# Flags that Studio sets itself or that would hide the engine from it, and what to use instead.
OWNED: Mapping[str, str] = {
    "--host": "engines listen on loopback; the gateway is their address",
    "--port": "use the recipe's field port",
    "--model-path": "use the recipe's field model_path",
    "--served-model-name": "use the recipe's field served_model_name",
    "--api-key": "each start gets a key of its own; clients use Studio's keys",
    "--config": "Studio is where the flags come from",
    "--fastapi-root-path": "the gateway expects the engine's own paths",
    "--grpc-mode": "the gateway speaks HTTP to engines",
    "--node-rank": "use the recipe's field nodes",
    "--ssl-keyfile": "the gateway speaks plain HTTP to engines on loopback",
    "--ssl-certfile": "the gateway speaks plain HTTP to engines on loopback",
}
