"""A recipe in which every field says something, over every way on which it is looked at, for every engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from studio_core.engines.registry import ENGINES, WITHOUT_BUILDER
from studio_core.recipes.recipe import Recipe, parse
from tests.core.control import control

# One value for each, none of them the default.
WHOLE: dict[str, Any] = {
    "id": "whole", "name": "Whole", "model_path": "/nowhere/GLM-4.7", "backend": "vllm", "env_vars": {"A": "1"},
    "tensor_parallel_size": 2, "pipeline_parallel_size": 2, "max_model_len": 4096, "gpu_memory_utilization": 0.5,
    "kv_cache_dtype": "fp8", "max_num_seqs": 8, "trust_remote_code": True, "tool_call_parser": "hermes",
    "reasoning_parser": "qwen3",
    "enable_auto_tool_choice": True, "quantization": "awq", "dtype": "half", "host": "0.0.0.0", "port": 8123,
    "served_model_name": "whole/one", "aliases": ["w"], "python_path": "/nowhere/bin/python", "binary": "/nowhere/bin/server",
    "extra_args": {"seed": 1}, "max_thinking_tokens": 4096, "thinking_mode": "balanced", "reasoning_effort": "low", "vision": True,
    "gpus": ["0", "1", "2", "3"], "runtime": {"kind": "managed_venv", "ref": "/nowhere"},
    "lora_adapters": [{"name": "poet", "path": "/nowhere/poet", "scale": 0.5}], "nodes": ["one", "two"], "sleep_level": 1,
    "idle_ttl_s": 60.0, "pin": True, "restart": "always", "restart_limit": 5, "grace_s": 9.0, "no_progress_s": 99.0,
    "start_ceiling_s": 999.0, "stop_command": ["/bin/true"], "filters": {"strip": ["logit_bias"]}, "description": "d", "notes": "n",
    "tags": ["t"],
}
RUNTIMES: tuple[dict[str, Any], ...] = (
    {"kind": "managed_venv", "ref": "/nowhere"}, {"kind": "system", "ref": "/nowhere/bin/python"},
    {"kind": "binary", "ref": "/nowhere/bin/server"}, {"kind": "docker"},
    {"kind": "docker", "ref": "image:1", "volumes": ["/a:/b"], "shm_size": "8g", "ipc": "host", "ulimits": ["nofile=9"],
     "args": ["-q"]},
)


def test_nothing_is_left_at_its_default() -> None:
    stored = parse(WHOLE).stored()
    plain = parse({"id": "x", "model_path": "y", "backend": "sglang"}).stored()
    assert set(WHOLE) == set(Recipe.model_fields) and [name for name in stored if stored[name] == plain[name]] == []


@pytest.mark.parametrize("runtime", RUNTIMES, ids=lambda one: f"{one['kind']} {one.get('ref', '')}")
async def test_it_is_listed_shown_checked_planned_and_written(tmp_path: Path, runtime: dict[str, Any]) -> None:
    async with control(tmp_path) as house:
        for backend in (*ENGINES, *WITHOUT_BUILDER):
            body = {**WHOLE, "id": backend, "backend": backend, "runtime": runtime}
            assert (await house.owner.post("/recipes", json=body)).status_code == 200
        for path in ("/recipes", "/status", "/snapshot", "/engines", "/v1/studio/models"):
            assert (await house.owner.get(path)).status_code == 200, path
        for backend in ENGINES:
            shown = (await house.owner.get(f"/recipes/{backend}")).json()["recipe"]
            assert shown == parse({**WHOLE, "id": backend, "backend": backend, "runtime": runtime}).stored()
            for what in ("check?ask=false", "plan", "shell"):
                answer = await house.owner.get(f"/recipes/{backend}/{what}")
                assert answer.status_code == 200, (what, answer.text)
