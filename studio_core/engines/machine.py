"""What of this machine limits a start: its GPUs and its shared memory."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

from studio_core.engines import runtime
from studio_core.engines.problem import Problem
from studio_core.recipes.recipe import Recipe

# One folder per GPU, kept by the driver: counting needs no NVML, which can hang.
GPUS = Path("/proc/driver/nvidia/gpus")
# What programs reach AMD's GPUs by.
KFD, DRI = Path("/dev/kfd"), Path("/dev/dri")
SHARED_MEMORY = Path("/dev/shm")
SHARED_BYTES = 1024**3
_UUID = re.compile(r"GPU UUID:\s*(\S+)")


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
    yield from absent(recipe)
    # A container has its own.
    if wanted > 1 and shared() < SHARED_BYTES and not runtime.contained(recipe):
        hint = "give the container --shm-size or --ipc=host; on a host: mount -o remount,size=8G /dev/shm"
        yield Problem("tensor_parallel_size", f"/dev/shm has {shared() >> 20} MiB, workers talk through it", hint, severe=False)


def absent(recipe: Recipe) -> Iterator[Problem]:
    """GPUs that the recipe names and this machine does not have; where the driver names none, nothing is known."""
    here, named = count(), uuids()
    for name in recipe.gpus or ():
        if (name.isdigit() and 0 < here <= int(name)) or (name.startswith("GPU-") and named and name not in named):
            yield Problem("gpus", f"this machine has no GPU {name}", f"it has 0 to {here - 1}: see studio gpus")


def uuids() -> set[str]:
    """Of the GPUs that the NVIDIA driver has."""
    with contextlib.suppress(OSError):
        texts = [(path / "information").read_text(encoding="utf-8", errors="replace") for path in GPUS.iterdir()]
        return {match[1] for text in texts if (match := _UUID.search(text))}
    return set()


def rocm() -> bool:
    """Whether its GPUs are AMD's."""
    return KFD.exists() and not count()


def groups() -> list[str]:
    """The groups that may open AMD's devices, by number: video and render here, whatever an image calls them."""
    places = (KFD, *(DRI.iterdir() if DRI.is_dir() else ()))
    return sorted({str(gid) for place in places if (gid := place.stat().st_gid)})


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
