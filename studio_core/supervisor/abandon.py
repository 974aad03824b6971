"""A load that nobody waits for any more. What a request began is cancelled then; what a person asked for goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic as now

from studio_core.supervisor import launch
from studio_core.supervisor.attempt import Attempt
from studio_core.supervisor.departure import Door

LOOK_MAX_S = 0.25


async def watch(
    attempt: Attempt, door: Door, patience_s: float, cancel: Callable[[Attempt], Awaitable[None]]
) -> None:
    """As long as the launch is under way and no person has joined it.

    A client that gives up after a short time often comes again, so a load goes on for `patience_s` without any request; one
    that has not begun has nothing to lose and displaces nobody for nobody. While no gateway tells how many wait, somebody may.
    """
    wanted = now()
    while attempt.state not in launch.OVER and attempt.origin == launch.ACQUIRE:
        moment, patience = now(), patience_s if attempt.state == launch.STARTING else 0.0
        if door.traffic(attempt.instance_id or "", attempt.recipe.id).wanted:
            wanted = moment
        elif moment - wanted >= patience:
            attempt.message = "cancelled: nobody waits for it any more"
            await cancel(attempt)
            return
        await asyncio.sleep(min(LOOK_MAX_S, patience_s / 4))
