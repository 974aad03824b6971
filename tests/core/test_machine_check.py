"""What of the machine stands in a recipe's way: the number of its GPUs, which they are, its shared memory, a missing Ray."""

from __future__ import annotations

from pathlib import Path

import pytest

from studio_core.engines import machine
from studio_core.engines.registry import find
from studio_core.recipes.recipe import parse
from studio_core.supervisor.preview import preview
from tests.core.test_engine_command import bare as bare
from tests.core.test_engine_command import made, settings
from tests.core.test_engine_command import model as model
from tests.core.test_engine_command import venv as venv


def test_a_machine_with_too_few_gpus(venv: Path, model: Path, tmp_path: Path) -> None:
    (tmp_path / "gpus" / "0000:01:00.0").mkdir(parents=True)
    found = preview(made("vllm", venv, model_path=str(model), tp=2), settings())
    assert [one.text for one in found.problems if one.severe] == ["TP x PP needs 2 GPUs, this machine has 1"]


@pytest.mark.parametrize(("gpus", "said"), [
    (["1"], []), (["GPU-b"], []), (["MIG-x"], []), (["2"], ["this machine has no GPU 2"]),
    (["0", "GPU-z"], ["this machine has no GPU GPU-z"]),
])
@pytest.mark.parametrize("backend", ["vllm", "sglang", "llamacpp", "tabbyapi"])
def test_gpus_that_are_not_there(venv: Path, model: Path, tmp_path: Path, backend: str, gpus: list[str], said: list[str]) -> None:
    """By number and by UUID, as the driver's own files have them."""
    for number, uuid in enumerate(("GPU-a", "GPU-b")):
        folder = tmp_path / "gpus" / f"0000:0{number}:00.0"
        folder.mkdir(parents=True)
        (folder / "information").write_text(f"Model: \t NVIDIA H100\nGPU UUID: \t {uuid}\nBus Type: \t PCIe\n")
    (tmp_path / "main.py").write_text("")
    (tmp_path / "m.gguf").write_bytes(b"GGUF")
    path = tmp_path / "m.gguf" if backend == "llamacpp" else model
    made_up = parse({"id": "m", "backend": backend, "model_path": str(path), "gpus": gpus, "python_path": str(venv / "bin/python")})
    found = find(backend).problems(made_up, settings(tabby_api_dir=str(tmp_path)))
    assert [one.text for one in found if one.field == "gpus"] == said


def test_a_container_s_gpus_are_the_machine_s(venv: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its shared memory is its own."""
    (tmp_path / "gpus" / "0000:01:00.0").mkdir(parents=True)
    (tmp_path / "docker").write_text("#!/bin/sh\n")
    (tmp_path / "docker").chmod(0o755)
    monkeypatch.setattr(machine, "shared", lambda: 64 << 20)
    one = made("vllm", venv, model_path=str(model), tp=2, python_path=None, runtime={"kind": "docker"})
    found = find("vllm").problems(one, settings(container_runtime=str(tmp_path / "docker")))
    assert [problem.text for problem in found] == ["TP x PP needs 2 GPUs, this machine has 1"]
    bare = find("vllm").problems(made("vllm", venv, model_path=str(model), tp=2), settings())
    assert "/dev/shm has 64 MiB, workers talk through it" in [problem.text for problem in bare]


def test_ray_is_looked_for_beside_vllm(venv: Path, model: Path) -> None:
    def told(key: str) -> list[str]:
        one = made("vllm", venv, model_path=str(model), tp=2, nodes=["a", "b"], extra_args={key: "ray"})
        return [problem.text for problem in find("vllm").problems(one, settings()) if "Ray" in problem.text]

    assert told("distributed_executor_backend") == told("distributed-executor-backend") == ["Ray is not in vLLM's environment"]
    (venv / "lib/python3.11/site-packages/ray-2.50.0.dist-info").mkdir(parents=True)
    assert told("distributed_executor_backend") == []
