"""What of this machine limits a start: its GPUs and its shared memory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from studio_core.engines.problem import Problem
from studio_core.recipes.recipe import Recipe

# One folder per GPU, kept by the driver: counting needs no NVML, which can hang.
GPUS = Path("/proc/driver/nvidia/gpus")
SHARED_MEMORY = Path("/dev/shm")
SHARED_BYTES = 1024**3


def problems(recipe: Recipe) -> Iterator[Problem]:
    """GPUs against tensor times pipeline parallel, and shared memory for engines of several processes."""
    wanted = recipe.tensor_parallel_size * recipe.pipeline_parallel_size
    nodes = max(1, len(recipe.nodes))
    if wanted % nodes:
        yield Problem("nodes", f"{wanted} GPUs cannot be shared by {nodes} nodes", "choose TP x PP as a multiple of the nodes")
    here = -(-wanted // nodes)
    if recipe.gpus is not None and len(recipe.gpus) < here:
        hint = "choose more GPUs, or a smaller tensor_parallel_size"
        yield Problem("gpus", f"TP x PP needs {here} GPUs here, the recipe names {len(recipe.gpus)}", hint)
    elif recipe.gpus is None and 0 < count() < here:
        yield Problem("tensor_parallel_size", f"TP x PP needs {here} GPUs, this machine has {count()}", "choose a smaller one")
    if wanted > 1 and shared() < SHARED_BYTES:
        hint = "give the container --shm-size or --ipc=host; on a host: mount -o remount,size=8G /dev/shm"
        yield Problem("tensor_parallel_size", f"/dev/shm has {shared() >> 20} MiB, workers talk through it", hint, severe=False)


def count() -> int:
    """The GPUs that the NVIDIA driver has; 0 without one."""
    try:
        return len(os.listdir(GPUS))
    except OSError:
        return 0


def shared() -> int:
    """Bytes of shared memory in all."""
    try:
        info = os.statvfs(SHARED_MEMORY)
    except OSError:
        return 0
    return info.f_blocks * info.f_frsize
