"""Fields of a recipe that an engine is not told, and what says the same to it: set in vain, they are shown, not swallowed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from studio_core.engines import thinking
from studio_core.engines.problem import Problem
from studio_core.recipes.recipe import Recipe

_FILE = "it is in the model's file"
_VISION = "leave it out: the model's own files decide"
# Engine → field → what to do instead.
UNHEARD: Mapping[str, Mapping[str, str]] = {
    "vllm": {"vision": f"{_VISION}, and extra_args.limit_mm_per_prompt"},
    "sglang": {"vision": f"{_VISION}, and extra_args.enable_multimodal"},
    "llamacpp": {
        "tensor_parallel_size": "use extra_args.split_mode and extra_args.tensor_split",
        "pipeline_parallel_size": "use extra_args.split_mode and extra_args.tensor_split",
        "gpu_memory_utilization": "use extra_args.n_gpu_layers or extra_args.fit_target",
        "kv_cache_dtype": "use extra_args.cache_type_k and extra_args.cache_type_v",
        "quantization": _FILE, "dtype": _FILE, "trust_remote_code": "it runs no code of a model",
        "tool_call_parser": "it reads the chat template itself", "enable_auto_tool_choice": "it reads the chat template itself",
        "reasoning_parser": "use extra_args.reasoning_format",
        "sleep_level": "it cannot sleep: with idle_ttl_s alone it is stopped",
        "nodes": "it runs on this machine only; see extra_args.rpc", "vision": "use extra_args.mmproj",
        "python_path": "name a llama-server in binary",
    },
    "tabbyapi": {
        "pipeline_parallel_size": "use extra_args.gpu_split", "gpu_memory_utilization": "use extra_args.autosplit_reserve",
        "max_num_seqs": "use extra_args.max_batch_size", "quantization": _FILE, "dtype": _FILE,
        "trust_remote_code": "it runs no code of a model", "enable_auto_tool_choice": "tool_call_parser alone says it",
        "max_thinking_tokens": "clients say it with each request", "reasoning_effort": "clients say it with each request",
    },
}


# Keys of vLLM Studio's recipes that it read and Studio does not act on.
_NO_COMMAND = "Studio runs no command of a recipe's own: take it over with studio recipes import --command"
UNDONE: Mapping[str, str] = {
    "launch_command": _NO_COMMAND, "custom_command": _NO_COMMAND, "mlx_python": "MLX runs on Apple's machines only",
    "docker_container": "Studio names its containers itself; write runtime: {kind: docker, ref: IMAGE}",
    **dict.fromkeys(("cuda_visible_devices", "visible_devices", "hip_visible_devices", "rocr_visible_devices"),
                    "list GPUs by number or UUID, in the field gpus"),
}


LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1", ""})


def problems(recipe: Recipe, engine: str, title: str) -> Iterator[Problem]:
    """A note for each that has another value than its default."""
    if recipe.host not in LOOPBACK:
        hint = "the gateway is their address: set its host in the settings"
        yield Problem("host", f"engines listen on loopback, not on {recipe.host}", hint, severe=False)
    if recipe.thinking_mode not in thinking.MODES:
        yield Problem("thinking_mode", f"{recipe.thinking_mode!r} is none of {', '.join(thinking.MODES)}",
                      "it counts as balanced; correct it", severe=False)
    for name, hint in UNHEARD.get(engine, {}).items():
        value = getattr(recipe, name)
        if value and value != Recipe.model_fields[name].get_default(call_default_factory=True):
            yield Problem(name, f"{title} is not told it", hint, severe=False)
    if engine == "llamacpp" and recipe.runtime is not None and recipe.runtime.kind in ("managed_venv", "system"):
        hint = "name its program: {kind: binary, ref: llama-server}"
        yield Problem("runtime", f"{title} is no Python package", hint, severe=False)
    for name, hint in UNDONE.items():
        if recipe.extra_args.get(name):
            yield Problem(f"extra_args.{name}", "nothing is done with it", hint, severe=False)
