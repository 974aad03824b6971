"""Starts crashed engines again: knows how each ended, also before this controller lived, and asks `restart` what follows."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import datetime, timedelta
from typing import Protocol

from studio_core.errors import StudioError
from studio_core.recipes.recipe import Recipe, parse
from studio_core.settings import Settings
from studio_core.supervisor import identity, restart
from studio_core.supervisor import record as records
from studio_core.supervisor import spec as specs
from studio_core.supervisor.keeper import Keeper
from studio_core.supervisor.record import Record
from studio_core.supervisor.restart import Ending, Policy, Turn
from studio_core.supervisor.spec import Spec
from studio_core.supervisor.surroundings import Surroundings


class LastLaunch(Protocol):
    """A launch as the database has it; `total_s` from `created_at` (ISO 8601) to ready."""

    @property
    def state(self) -> str: ...
    @property
    def instance(self) -> str | None: ...
    @property
    def created_at(self) -> str: ...
    @property
    def total_s(self) -> float | None: ...


Past = Callable[[], Awaitable[Mapping[str, LastLaunch]]]
# What follows an end: the recipe, the turn, and how long it still is to its moment.
Restart = Callable[[Recipe, Turn, float], None]


async def none() -> Mapping[str, LastLaunch]:
    """No past: a house that begins."""
    return {}


class Revival:
    """Decides by the snapshot that the engine ran by."""

    def __init__(self, around: Surroundings, past: Past, again: Restart) -> None:
        self._around = around
        self._past = past
        self._again = again
        self._last: Mapping[str, LastLaunch] = {}

    async def remember(self) -> None:
        """Read what earlier controllers wrote down."""
        self._last = await self._past()

    def recognise(self, keeper: Keeper) -> bool:
        """Whether the launch of an engine was over under an earlier controller; one that was ready has served since then."""
        last = self._last.get(keeper.spec.recipe_id)
        if last is None or last.instance != keeper.id:
            return False
        keeper.ready_at = _ready_at(last)
        return True

    def ended(self, keeper: Keeper) -> None:
        """An engine ended although nobody stopped it."""
        if keeper.record is None or not keeper.record.asked:
            self._decide(keeper.spec, keeper.record, keeper.ready_at, time.time())

    def resume(self, here: Collection[str]) -> None:
        """Go on with what an earlier controller would have started again, for recipes that have no instance."""
        for recipe_id, last in self._last.items():
            if recipe_id in here or last.instance is None or last.state not in ("ready", "failed"):
                continue
            folder = self._around.places.history / last.instance
            record = records.read(folder)
            if record is None or record.asked or record.exited_at is None:
                continue
            try:
                spec = specs.read(folder)
            except (OSError, ValueError):
                continue
            # What ended long ago, or with the machine, a person has seen since.
            if spec.boot == identity.boot_id() and time.time() - record.exited_at < self._around.settings.restart_reset_s:
                self._decide(spec, record, _ready_at(last), record.exited_at)

    def _decide(self, spec: Spec, record: Record | None, ready_at: str | None, ended_at: float) -> None:
        try:
            recipe = parse(spec.recipe)
        except StudioError:
            return
        end = record.exit if record else None
        served = max(0.0, ended_at - datetime.fromisoformat(ready_at).timestamp()) if ready_at else None
        ending = Ending(spec.restarts, served, end.code if end else None, end.signal if end else None)
        turn = restart.decide(policy(recipe, self._around.settings), ending)
        if turn is not None:
            self._again(recipe, turn, max(0.0, ended_at + turn.pause_s - time.time()))


def policy(recipe: Recipe, settings: Settings) -> Policy:
    """What recipe and settings say of restarts."""
    return Policy(recipe.restart, recipe.restart_limit, settings.restart_pause_s, settings.restart_reset_s)


def _ready_at(last: LastLaunch) -> str | None:
    if last.state != "ready" or last.total_s is None:
        return None
    return (datetime.fromisoformat(last.created_at) + timedelta(seconds=last.total_s)).isoformat()
