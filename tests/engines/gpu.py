"""What the tests marked `gpu` share: an NVIDIA GPU as NVML tells of it, and the engines that variables name.

`STUDIO_TEST_GPU_VLLM` and `STUDIO_TEST_GPU_SGLANG` are interpreters of environments with a CUDA build of that engine,
`STUDIO_TEST_GPU_MODEL` a model that fits (a folder or a hub's id; else the small one of `vllm_environment`). The GPU must be
otherwise unused. Memory is asked from the driver itself here, not from Studio.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pynvml
import pytest

from studio_core.supervisor import tree
from studio_core.supervisor.record import read
from tests.engines import vllm_environment
from tests.engines.vllm_house import vllm_home
from tests.house import House
from tests.wait import wait_until

MODEL_VARIABLE = "STUDIO_TEST_GPU_MODEL"
NAME = "tested"
MIB = 1024**2
GIB = 1024**3
# The driver counts what was freed a moment later.
SETTLE_S = 30.0
CAPITAL = [{"role": "user", "content": "What is the capital of France?"}]


def python(engine: str) -> str:
    """The interpreter of an engine; the test is skipped where no variable names one."""
    variable = f"STUDIO_TEST_GPU_{engine.upper()}"
    found = os.environ.get(variable, "")
    if not found:
        pytest.skip(f"{variable} names no interpreter with {engine}")
    return found


def model() -> str:
    found = os.environ.get(MODEL_VARIABLE) or str(vllm_environment.model_place())
    if found.startswith("/") and not Path(found, "config.json").is_file():
        pytest.skip(f"no model in {found}: name one with {MODEL_VARIABLE}")
    return found


@pytest.fixture(scope="session")
def gpu() -> Iterator[None]:
    """The driver, asked in this process; the test is skipped where there is none, or no GPU."""
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        pytest.skip(f"no NVIDIA GPU: {error}")
    if not pynvml.nvmlDeviceGetCount():
        pytest.skip("no NVIDIA GPU: NVML lists none")
    yield
    pynvml.nvmlShutdown()


@pytest.fixture
def home(gpu: None) -> Iterator[House]:
    with vllm_home() as found:
        yield found


def used() -> int:
    """Bytes in use on all GPUs."""
    return sum(int(pynvml.nvmlDeviceGetMemoryInfo(one).used) for one in handles())


def counted() -> dict[int, int | None]:
    """Each process that the driver counts memory for."""
    return {each.pid: each.usedGpuMemory for one in handles() for each in pynvml.nvmlDeviceGetComputeRunningProcesses(one)}


def handles() -> list[Any]:
    return [pynvml.nvmlDeviceGetHandleByIndex(number) for number in range(pynvml.nvmlDeviceGetCount())]


def store(home: House, engine: str, **fields: Any) -> None:
    """A recipe that takes half of the GPU, so that what it gives back is seen, and starts quickly."""
    eager = {"vllm": {"enforce_eager": True}, "sglang": {"disable_cuda_graph": True}}[engine]
    home.client.put_recipe({
        "id": NAME, "backend": engine, "model_path": model(), "python_path": python(engine), "max_model_len": 2048,
        "gpu_memory_utilization": 0.5, "extra_args": eager, "env_vars": {"HF_HUB_OFFLINE": "1"}, **fields,
    })


def said(home: House) -> str:
    """What it answers without chance: the same before and after, if its weights are the same."""
    with home.ask(NAME, messages=CAPITAL, temperature=0, max_tokens=24) as reply:
        return str(json.load(reply)["choices"][0]["message"]["content"])


def pids(home: House) -> frozenset[int]:
    """Every process of the running instance."""
    one = home.instance(NAME)
    record = read(home.places.instance(one.id))
    assert record is not None
    return frozenset(each.pid for each in tree.members(one.id, record))


def falls_below(limit: float, what: str) -> None:
    wait_until(lambda: used() < limit, SETTLE_S, f"{what}: below {limit / GIB:.1f} GiB, {used() / GIB:.1f} are used")


def rises_above(limit: float, what: str) -> None:
    wait_until(lambda: used() > limit, SETTLE_S, f"{what}: above {limit / GIB:.1f} GiB, {used() / GIB:.1f} are used")
