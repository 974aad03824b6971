"""What the models do now: asks each engine's own metrics in the rhythm of the GPU samples, and makes rates of counters."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from studio_core import wire
from studio_core.engines.readiness import gauges
from studio_core.supervisor import instance
from studio_core.supervisor.keeper import Keeper

# Engines are asked no more often than this; while nobody looks, samples come more slowly anyway.
PACE_S = 2.0


@dataclass
class Reading:
    """One engine's figures at one moment, and what was known of its time to the first token."""

    at: float
    found: Mapping[str, float] = field(default_factory=dict)
    ttft_ms: float | None = None


class Meter:
    """`beat()` at each sample of the GPUs; `tell(metrics)` is called when all engines have answered or failed to."""

    def __init__(
        self, keepers: Callable[[], Iterable[Keeper]], counts: Callable[[], tuple[int, int]], tell: Callable[[wire.Metrics], None]
    ) -> None:
        self.latest = wire.Metrics()
        self._keepers = keepers
        self._counts = counts
        self._tell = tell
        self._last: dict[str, Reading] = {}
        self._asked = -PACE_S
        self._task: asyncio.Task[None] | None = None

    def beat(self) -> None:
        """Ask now, unless that was done just before or is under way."""
        due = time.monotonic() - self._asked >= PACE_S * 0.9
        if due and (self._task is None or self._task.done()):
            self._asked = time.monotonic()
            self._task = asyncio.create_task(self._ask(), name="meter")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _ask(self) -> None:
        ready = [one for one in self._keepers() if one.life.state == instance.READY]
        found = await asyncio.gather(*(gauges(one.engine, *one.address, one.spec.api_key) for one in ready))
        now = time.monotonic()
        models, readings = [], {}
        for keeper, figures in zip(ready, found, strict=True):
            before = self._last.get(keeper.id)
            model, ttft = measured(keeper.id, keeper.spec.recipe_id, before, figures, now)
            models.append(model)
            readings[keeper.id] = Reading(now, figures, ttft)
        self._last = readings
        running, waiting = self._counts()
        self.latest = together(models, running, waiting, readings.values())
        self._tell(self.latest)


def measured(
    instance_id: str, recipe_id: str, before: Reading | None, found: Mapping[str, float], now: float
) -> tuple[wire.ModelMetrics, float | None]:
    """One engine's figures, and its time to the first token to remember."""
    def rate(name: str) -> float | None:
        if before is None or name not in found or name not in before.found or now <= before.at:
            return None
        # A counter that went back belongs to an engine that began anew.
        return max(0.0, found[name] - before.found[name]) / (now - before.at)

    ttft = _ttft(before, found)
    model = wire.ModelMetrics(
        instance_id=instance_id, recipe_id=recipe_id, tokens_in_s=rate("prompt_tokens"), tokens_out_s=rate("generated_tokens"),
        kv_usage=found.get("kv_usage"), ttft_ms=ttft, running=found.get("running"), waiting=found.get("waiting"),
    )
    return model, ttft


def _ttft(before: Reading | None, found: Mapping[str, float]) -> float | None:
    """The mean of the new requests; without new ones what was known; at first the mean of all."""
    spent, count = found.get("ttft_seconds"), found.get("ttft_count")
    if spent is None or count is None:
        return None
    old = before.found if before is not None else {}
    more, longer = count - old.get("ttft_count", 0.0), spent - old.get("ttft_seconds", 0.0)
    if more > 0 and longer >= 0:
        return longer / more * 1000
    return before.ttft_ms if before is not None else None


def together(models: list[wire.ModelMetrics], running: int, waiting: int, readings: Iterable[Reading]) -> wire.Metrics:
    """The sums under vLLM Studio's names. The gateways' counts, not the engines': they know also what waits for a cold model."""
    found = [one.found for one in readings]
    return wire.Metrics(
        running_requests=running, pending_requests=waiting,
        kv_cache_usage=_mean(one.kv_usage for one in models),
        prompt_tokens_total=sum(one.get("prompt_tokens", 0.0) for one in found),
        generation_tokens_total=sum(one.get("generated_tokens", 0.0) for one in found),
        prompt_throughput=_sum(one.tokens_in_s for one in models),
        generation_throughput=_sum(one.tokens_out_s for one in models),
        avg_ttft_ms=_mean(one.ttft_ms for one in models), models=models,
    )


def _known(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def _sum(values: Iterable[float | None]) -> float | None:
    known = _known(values)
    return sum(known) if known else None


def _mean(values: Iterable[float | None]) -> float | None:
    known = _known(values)
    return sum(known) / len(known) if known else None
