"""Whether an instance is used: by the gateways' counts and by what the engine itself says. The clock is pure."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from studio_core.engines.readiness import gauges
from studio_core.errors import StudioError
from studio_core.supervisor import instance
from studio_core.supervisor.departure import Door, Traffic
from studio_core.supervisor.keeper import Keeper

# An engine is looked at this often at most, and a quarter of its time to live at least; what it counts in between is seen later.
LOOK_MIN_S, LOOK_MAX_S = 0.02, 5.0
# Counters that move while an engine works, also for those who ask it directly.
WORK = ("prompt_tokens", "generated_tokens")


@dataclass(frozen=True, slots=True)
class Pulse:
    """What is seen of an instance's use: requests now, requests so far, tokens so far."""

    busy: int
    entered: int
    tokens: float


class Clock:
    """Since when nothing has moved."""

    def __init__(self, now: float) -> None:
        self._since = now
        self._last: Pulse | None = None

    def beat(self, now: float, pulse: Pulse) -> float:
        """Seconds without use, by the newest look."""
        if pulse.busy or pulse != self._last:
            self._since, self._last = now, pulse
        return now - self._since


async def look(keeper: Keeper, door: Door) -> Pulse:
    """Ask the gateways' counts and the engine's metrics; an engine without those counts by the gateways alone."""
    found = await gauges(keeper.engine, *keeper.address, keeper.spec.api_key)
    seen: Traffic = door.traffic(keeper.id, keeper.spec.recipe_id)
    busy = seen.running + seen.waiting + round(found.get("running", 0.0) + found.get("waiting", 0.0))
    return Pulse(busy, seen.entered, sum(found.get(name, 0.0) for name in WORK))


async def watch(keeper: Keeper, door: Door, rest: Callable[[Keeper], Awaitable[None]]) -> None:
    """As long as the instance lives: when its recipe's `idle_ttl_s` have passed without use, let it `rest`."""
    ttl = keeper.spec.recipe.get("idle_ttl_s")
    if ttl is None:
        return
    pause = min(LOOK_MAX_S, max(LOOK_MIN_S, ttl / 4))
    while keeper.life.claims:
        await keeper.bell.until(lambda: keeper.life.state == instance.READY or not keeper.life.claims)
        clock = Clock(time.monotonic())
        while keeper.life.state == instance.READY:
            if clock.beat(time.monotonic(), await look(keeper, door)) >= ttl:
                try:
                    await rest(keeper)
                except StudioError:
                    # Somebody came, or the engine would not: its time begins anew.
                    break
            await asyncio.sleep(pause)
