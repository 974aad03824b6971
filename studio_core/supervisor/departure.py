"""How an instance leaves service: its requests first, then the engine. One at a time per instance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from studio_core.errors import Conflict, LaunchFailed
from studio_core.supervisor import instance
from studio_core.supervisor.keeper import Keeper


@dataclass(frozen=True, slots=True)
class Traffic:
    """Requests in flight to an instance, waiting for its recipe, and let in to it so far.

    Not `known` while there is no gateway, or one that has not told.
    """

    running: int = 0
    waiting: int = 0
    entered: int = 0
    known: bool = True

    @property
    def wanted(self) -> bool:
        """Whether somebody waits, as far as anybody can tell."""
        return self.waiting > 0 or not self.known


class Door(Protocol):
    """The way of requests to an instance, as far as stopping it needs it."""

    async def drained(self, instance_id: str, timeout: float) -> bool:
        """Close the route; True when no request is in flight there any more, False after `timeout` seconds."""

    def traffic(self, instance_id: str, recipe_id: str) -> Traffic: ...


class Departure:
    """`drain_s` is how long requests in flight are waited for by default."""

    def __init__(self, door: Door, drain_s: float) -> None:
        self._door = door
        self._drain_s = drain_s

    async def dismiss(self, keeper: Keeper, insist: bool) -> None:
        """Drain, stop, and wait until it is gone. A sleeping one was drained before.

        Raises:
            Conflict: the drain's deadline passed, and nobody insists. LaunchFailed: it could not be stopped.
        """
        async with keeper.turn:
            await self.drain(keeper, insist)
            await self._stop(keeper)

    async def retire(self, keeper: Keeper, patience: float) -> None:
        """The same for one that nobody uses; whoever comes meanwhile finds it open again. Raises Conflict, LaunchFailed."""
        async with keeper.turn:
            if keeper.life.state == instance.READY:
                await self.drain(keeper, False, patience)
                self.yield_to_requests(keeper)
                await self._stop(keeper)

    async def drain(self, keeper: Keeper, insist: bool, patience: float | None = None) -> None:
        """Close the way to it and wait for what is in flight; it opens again when that does not end, or the caller does.

        Raises:
            Conflict: the deadline passed, and nobody insists.
        """
        if keeper.life.state not in (instance.READY, instance.DRAINING):
            return
        keeper.happen("drain")
        limit = 0.0 if insist else self._drain_s if patience is None else patience
        try:
            drained = await self._door.drained(keeper.id, limit)
        except BaseException:
            keeper.happen("undrain")
            raise
        if not drained and not insist:
            keeper.happen("undrain")
            running = self._door.traffic(keeper.id, keeper.spec.recipe_id).running
            raise Conflict(
                f"{keeper.spec.recipe_id} still answers {running} requests", f"after {limit:.0f} s", "wait, or insist with force"
            )

    def yield_to_requests(self, keeper: Keeper) -> None:
        """Open the way again where somebody waits. Raises Conflict."""
        if self._door.traffic(keeper.id, keeper.spec.recipe_id).waiting:
            keeper.happen("undrain")
            raise Conflict(f"{keeper.spec.recipe_id} is asked for again")

    async def _stop(self, keeper: Keeper) -> None:
        if keeper.life.claims:
            await keeper.stop()
        if keeper.life.claims:
            raise LaunchFailed(f"{keeper.spec.recipe_id} could not be stopped", keeper.failure.detail if keeper.failure else "")
