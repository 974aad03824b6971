"""What each serving engine holds, kept with its launch: whether the recipe fits is then known before its next start."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from studio_core import wire
from studio_core.supervisor import instance, memory
from studio_core.supervisor.keeper import Keeper

# A new most is kept only when it is this many times the one before.
STEP = 1.02


class Learned:
    """`keep(launch_id, bytes)` is told of each new most."""

    def __init__(self, keep: Callable[[str, int], None]) -> None:
        self._keep = keep
        self._most: dict[str, int] = {}

    def sampled(self, gpus: wire.Gpus, keepers: Iterable[Keeper]) -> None:
        """A new sample, whose processes name the instance that they belong to."""
        serving = [one for one in keepers if one.life.state == instance.READY]
        self._most = {one.id: self._most.get(one.id, 0) for one in serving}
        for one in serving:
            found = held(gpus, one)
            if found > self._most[one.id] * STEP:
                self._most[one.id] = found
                self._keep(one.spec.launch_id, found)


def held(gpus: wire.Gpus, keeper: Keeper) -> int:
    """GPU memory of its processes; of an engine that has none, what they hold of the machine's memory. 0: not known."""
    on_gpu = sum(one.memory_bytes or 0 for gpu in gpus.gpus for one in gpu.processes if one.instance_id == keeper.id)
    return on_gpu or memory.usage(keeper.processes()).resident
