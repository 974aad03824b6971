"""Recipes that requests wait for: started or joined at once, or when the launch under way is over, if somebody still waits then."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from studio_core import wire
from studio_core.errors import Conflict, OnHold, StudioError
from studio_core.supervisor import launch
from studio_core.supervisor.attempt import failure_of
from studio_core.supervisor.bell import Bell
from studio_core.supervisor.departure import Door
from studio_core.supervisor.setback import Setbacks


class Acquisitions:
    """The queue. `begin(recipe, origin)` raises Conflict while a launch goes first, as `busy()` tells; `bell` rings at changes."""

    def __init__(
        self, begin: Callable[[str, str], Awaitable[wire.Launch]], busy: Callable[[], bool],
        setbacks: Setbacks, door: Door, bell: Bell,
    ) -> None:
        self._begin = begin
        self._busy = busy
        self._setbacks = setbacks
        self._door = door
        self._bell = bell
        self._queued: set[str] = set()

    async def ask(self, recipe_id: str) -> None:
        """Return when it is begun, refused, or wanted by nobody any more."""
        if recipe_id in self._queued or self._setbacks.of(recipe_id) is not None:
            return
        self._queued.add(recipe_id)
        try:
            while self._wanted(recipe_id) and not await self._begun(recipe_id):
                await self._bell.until(lambda: not (self._busy() and self._wanted(recipe_id)))
        finally:
            self._queued.discard(recipe_id)

    def _wanted(self, recipe_id: str) -> bool:
        return self._door.traffic("", recipe_id).wanted

    async def _begun(self, recipe_id: str) -> bool:
        """False when another launch goes first."""
        try:
            await self._begin(recipe_id, launch.ACQUIRE)
        except OnHold:
            return True
        except Conflict:
            return False
        except StudioError as error:
            self._setbacks.note(recipe_id, failure_of(error))
        return True
