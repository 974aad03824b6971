"""Histories: means of what was measured, step by step, written to the database, and read as series for a graph."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable, Iterable, Mapping

from studio_core import wire
from studio_core.errors import DiskFull, StoreError
from studio_core.store.sample import COARSE, FINE, TIERS, SampleTable, Tier

_log = logging.getLogger(__name__)


class Step:
    """The mean of each figure over one step of a tier; `end` is Unix time."""

    def __init__(self, tier: Tier, now: float) -> None:
        self.tier = tier
        self.end = (math.floor(now / tier.step_s) + 1) * tier.step_s
        self._sums: dict[str, tuple[float, int]] = {}

    def add(self, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            total, count = self._sums.get(name, (0.0, 0))
            self._sums[name] = (total + value, count + 1)

    @property
    def values(self) -> dict[str, float]:
        return {name: total / count for name, (total, count) in self._sums.items()}


class Recorder:
    """`take(values)` at any rate. Samples give way: on a full disk they are not written, and nothing waits for them."""

    def __init__(self, table: SampleTable, clock: Callable[[], float] = time.time) -> None:
        self.dropped = 0
        self._table = table
        self._clock = clock
        self._steps = {tier: Step(tier, clock()) for tier in TIERS}
        self._writes: set[asyncio.Task[None]] = set()

    def take(self, values: Mapping[str, float]) -> None:
        now = self._clock()
        for tier, step in self._steps.items():
            # A clock that was set back must not hold a step open.
            if now >= step.end or now < step.end - tier.step_s:
                self._close(step)
                self._steps[tier] = Step(tier, now)
            self._steps[tier].add(values)

    async def stop(self) -> None:
        """What is written is written; a step that has begun is lost, ten seconds at most of the fine ones."""
        for write in tuple(self._writes):
            await write

    def _close(self, step: Step) -> None:
        if values := step.values:
            task = asyncio.create_task(self._write(step, values))
            self._writes.add(task)
            task.add_done_callback(self._writes.discard)

    async def _write(self, step: Step, values: Mapping[str, float]) -> None:
        try:
            await self._table.add(step.tier, step.end, values)
        except (DiskFull, StoreError) as error:
            self.dropped += 1
            if self.dropped == 1:
                _log.warning("samples are not written: %s", error)

    async def samples(self, span_s: float, count: int) -> wire.Samples:
        """At most `count` equal steps of the last `span_s` seconds. The step that has begun is the last one."""
        tier = FINE if span_s <= FINE.kept_s else COARSE
        step_s = tier.step_s * max(1, math.ceil(span_s / count / tier.step_s))
        end = (math.floor(self._clock() / step_s) + 1) * step_s
        length = min(count, math.ceil(span_s / step_s))
        since = end - length * step_s
        rows = [*await self._table.read(tier, since), (self._steps[tier].end, self._steps[tier].values)]
        return wire.Samples(step_s=step_s, end=end, series=series(rows, since, step_s, length))


def series(
    rows: Iterable[tuple[float, Mapping[str, float]]], since: float, step_s: float, length: int
) -> dict[str, list[float | None]]:
    """The mean of the rows in each step, by name."""
    sums: dict[str, dict[int, tuple[float, int]]] = {}
    for at, values in rows:
        index = math.ceil((at - since) / step_s) - 1
        if 0 <= index < length:
            for name, value in values.items():
                mine = sums.setdefault(name, {})
                total, number = mine.get(index, (0.0, 0))
                mine[index] = (total + value, number + 1)
    return {name: [_mean(found.get(index)) for index in range(length)] for name, found in sums.items()}


def _mean(pair: tuple[float, int] | None) -> float | None:
    return None if pair is None else round(pair[0] / pair[1], 2)


def figures(gpus: wire.Gpus, metrics: wire.Metrics) -> dict[str, float]:
    """What is recorded of one moment; what nobody knows is left out."""
    host, live = gpus.host, [one for one in gpus.gpus if not one.lost]
    busy = {f"gpu:{one.uuid}": one.utilization for one in live if one.utilization is not None}
    powers = [one.power_draw for one in live if one.power_draw is not None]
    found = {
        "cpu": host.cpu_percent,
        "memory": _share(host.memory_used, host.memory_total),
        "gpu": sum(busy.values()) / len(busy) if busy else None,
        "gpu_memory": _share(*(sum(getattr(one, name) or 0 for one in live) for name in ("memory_used", "memory_total"))),
        "power": sum(powers) if powers else None,
        "tokens_in": metrics.prompt_throughput, "tokens_out": metrics.generation_throughput,
        "running": metrics.running_requests, "waiting": metrics.pending_requests,
        "kv": None if metrics.kv_cache_usage is None else 100 * metrics.kv_cache_usage, "ttft": metrics.avg_ttft_ms,
        **busy,
    }
    return {name: float(value) for name, value in found.items() if value is not None}


def _share(part: float | None, whole: float | None) -> float | None:
    return 100 * part / whole if part is not None and whole else None
