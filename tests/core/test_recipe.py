"""vLLM Studio's recipe, row by row of its own tables: fields, defaults, aliases, and what its later versions made of them."""

from __future__ import annotations

from typing import Any

import pytest

from studio_core.errors import BadRecipe
from studio_core.recipes.recipe import Recipe, parse

# Its fields of early 2026 with their defaults. Deliberately others: no code of a model is trusted, engines listen on loopback,
# and the port is the one that the launch chooses (vLLM Studio stored 8000 and overwrote it at each launch).
DEFAULTS: dict[str, Any] = {
    "name": "", "backend": "vllm", "env_vars": {}, "tensor_parallel_size": 1, "pipeline_parallel_size": 1, "max_model_len": 32768,
    "gpu_memory_utilization": 0.9, "kv_cache_dtype": "auto", "max_num_seqs": 256, "trust_remote_code": False,
    "tool_call_parser": None, "reasoning_parser": None, "enable_auto_tool_choice": False, "quantization": None, "dtype": None,
    "host": "127.0.0.1", "port": None, "served_model_name": None, "python_path": None, "extra_args": {},
    "max_thinking_tokens": None, "thinking_mode": "conservative", "vision": None, "runtime": None,
}


def made(**fields: Any) -> Recipe:
    return parse({"id": "m", "model_path": "org/m", **fields})


@pytest.mark.parametrize("field", DEFAULTS)
def test_a_default(field: str) -> None:
    assert made().stored()[field] == DEFAULTS[field]


# What was written → the fields that it means.
ALIASES: tuple[tuple[dict[str, Any], dict[str, Any]], ...] = (
    ({"engine": "sglang"}, {"backend": "sglang"}),
    ({"backend": "vllm", "engine": "sglang"}, {"backend": "vllm"}),
    ({"tp": 4}, {"tensor_parallel_size": 4}),
    ({"tp": 4, "tensor_parallel_size": 1}, {"tensor_parallel_size": 4}),
    ({"pp": 2}, {"pipeline_parallel_size": 2}),
    ({"pipeline_parallel_size": 2}, {"pipeline_parallel_size": 2}),
    ({"env_vars": {"A": 1, "B": None, "C": True}}, {"env_vars": {"A": "1", "C": "True"}}),
    ({"env-vars": {"A": "1"}}, {"env_vars": {"A": "1"}}),
    ({"envVars": {"A": "1"}}, {"env_vars": {"A": "1"}}),
    ({"env_vars": None}, {"env_vars": {}}),
    ({"env_vars": {"A": "field"}, "extra_args": {"env_vars": {"A": "nested", "B": 2}}},
     {"env_vars": {"A": "field", "B": "2"}, "extra_args": {}}),
    ({"extra_args": {"env-vars": {"A": 1}}}, {"env_vars": {"A": "1"}, "extra_args": {}}),
    ({"envVars": {"A": "field"}, "extra_args": {"envVars": {"B": 2}}}, {"env_vars": {"A": "field", "B": "2"}, "extra_args": {}}),
    ({"extra_args": None}, {"extra_args": {}}),
    # Unknown keys are kept, those that only its page sends are not.
    ({"mystery": [1], "extra_args": {"seed": 1}}, {"extra_args": {"seed": 1, "mystery": [1]}}),
    ({"status": "running", "crash_loop": True}, {"extra_args": {}}),
    ({"runtime": {"kind": "venv", "ref": "/v", "label": "x"}}, {"runtime": {"kind": "managed_venv", "ref": "/v", "label": "x"}}),
    # A key of its own means the same with dashes.
    ({"extra_args": {"docker-image": "x:1", "venv-path": "/v"}}, {"extra_args": {"docker_image": "x:1", "venv_path": "/v"}}),
    ({"docker-image": "x:1"}, {"extra_args": {"docker_image": "x:1"}}),
    ({"extra_args": {"--docker-image": "x:1"}}, {"extra_args": {"--docker-image": "x:1"}}),
    # The GPUs.
    ({"extra_args": {"cuda_visible_devices": "0,2"}}, {"gpus": ["0", "2"], "extra_args": {}}),
    ({"extra_args": {"cuda-visible-devices": "GPU-1f,MIG-2e"}}, {"gpus": ["GPU-1f", "MIG-2e"], "extra_args": {}}),
    ({"visible_devices": [1, 3]}, {"gpus": ["1", "3"], "extra_args": {}}),
    ({"extra_args": {"cuda_visible_devices": 0}}, {"gpus": ["0"], "extra_args": {}}),
    ({"gpus": ["7"], "extra_args": {"cuda_visible_devices": "0"}}, {"gpus": ["7"], "extra_args": {}}),
    ({"extra_args": {"cuda_visible_devices": ""}}, {"env_vars": {"CUDA_VISIBLE_DEVICES": ""}, "gpus": None, "extra_args": {}}),
    ({"extra_args": {"hip_visible_devices": "0,1", "rocr_visible_devices": 2}},
     {"env_vars": {"HIP_VISIBLE_DEVICES": "0,1", "ROCR_VISIBLE_DEVICES": "2"}, "gpus": None, "extra_args": {}}),
    ({"env_vars": {"HIP_VISIBLE_DEVICES": "3"}, "hip_visible_devices": "0"}, {"env_vars": {"HIP_VISIBLE_DEVICES": "3"}}),
    ({"extra_args": {"cuda_visible_devices": "the big"}}, {"gpus": None, "extra_args": {"cuda_visible_devices": "the big"}}),
)


@pytest.mark.parametrize(("written", "means"), ALIASES, ids=[str(written)[:60] for written, _ in ALIASES])
def test_what_was_written_means_the_same_fields_and_does_so_again(written: dict[str, Any], means: dict[str, Any]) -> None:
    recipe = made(**written)
    stored = recipe.stored()
    runtime = means.get("runtime")
    if runtime is not None:
        assert {name: stored["runtime"][name] for name in runtime} == runtime
    assert {name: stored[name] for name in means if name != "runtime"} == {n: v for n, v in means.items() if n != "runtime"}
    assert parse(stored) == recipe, "stored and read again it is the same"


@pytest.mark.parametrize(("written", "backend"), [
    ("VLLM", "vllm"), (" SGLang ", "sglang"), ("llama.cpp", "llamacpp"), ("llama-server", "llamacpp"), ("exllamav3", "tabbyapi"),
    ("tabby", "tabbyapi"), ("transformers", "transformers"), ("mlx", "mlx"), ("Brand-New", "Brand-New"),
])
def test_an_engine_has_one_name_and_an_unknown_one_keeps_its_own(written: str, backend: str) -> None:
    assert made(backend=written).backend == made(engine=written).backend == backend


@pytest.mark.parametrize(("written", "field"), [
    ({"trust_remote_code": "false"}, "trust_remote_code"), ({"trust_remote_code": 1}, "trust_remote_code"),
    ({"enable_auto_tool_choice": "yes"}, "enable_auto_tool_choice"), ({"tp": 0}, "tp"), ({"max_model_len": 0}, "max_model_len"),
    ({"max_num_seqs": -1}, "max_num_seqs"), ({"port": 70000}, "port"), ({"gpu_memory_utilization": 1.5}, "gpu_memory_utilization"),
    ({"id": ""}, "id"), ({"id": "a/b"}, "id"), ({"model_path": " "}, "model_path"), ({"runtime": {"kind": "vm"}}, "runtime.kind"),
    ({"extra_args": [1]}, "extra_args"), ({"extra_args": "x"}, "extra_args"), ({"extra_args": {1: 2}}, "extra_args"),
    ({"env_vars": "A=1"}, "env_vars"), ({"env_vars": "A=1", "extra_args": {"env_vars": {"B": 1}}}, "env_vars"),
    ({"env_vars": [1], "extra_args": {"env_vars": {"B": 1}}}, "env_vars"),
])
def test_what_cannot_be_is_said_with_its_field(written: dict[str, Any], field: str) -> None:
    with pytest.raises(BadRecipe) as caught:
        made(**written)
    assert caught.value.detail.startswith(f"{field}") and caught.value.hint
