"""The instances there are: each followed to its end, put to rest when nobody uses it, archived when nothing of it is left."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from studio_core.errors import NotFound, Pinned
from studio_core.logs import cap
from studio_core.supervisor import idle, instance, nap
from studio_core.supervisor.adoption import archive
from studio_core.supervisor.departure import Departure, Door
from studio_core.supervisor.keeper import Keeper
from studio_core.supervisor.revival import Revival
from studio_core.supervisor.setback import Setbacks
from studio_core.supervisor.surroundings import Surroundings

# Who comes between the last look at an idle instance and the closing of its route is answered; a longer answer keeps it.
RETIRE_S = 2.0


class Roster:
    """`begun(keeper)` tells whether a later launch of its recipe has begun; `changed` is told when an instance is known no more."""

    def __init__(
        self, around: Surroundings, door: Door, departure: Departure, revival: Revival, setbacks: Setbacks,
        begun: Callable[[Keeper], bool], changed: Callable[[], None],
    ) -> None:
        self._around = around
        self._door = door
        self._departure = departure
        self._revival = revival
        self._setbacks = setbacks
        self._begun = begun
        self._changed = changed
        self._keepers: dict[str, Keeper] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def all(self) -> list[Keeper]:
        return list(self._keepers.values())

    def find(self, instance_id: str | None) -> Keeper | None:
        return self._keepers.get(instance_id or "")

    def get(self, instance_id: str) -> Keeper:
        """Raises NotFound."""
        if instance_id not in self._keepers:
            raise NotFound(f"no instance {instance_id}", "", "see: studio ps")
        return self._keepers[instance_id]

    def serving(self, recipe_id: str) -> Keeper | None:
        """The keeper of the instance that comes or serves for a recipe."""
        mine = [keeper for keeper in self.all() if keeper.spec.recipe_id == recipe_id and keeper.life.claims]
        return max(mine, key=lambda keeper: keeper.life.alive, default=None)

    def ports(self) -> set[int]:
        """What they hold."""
        return {keeper.spec.port for keeper in self.all() if keeper.life.claims}

    def keep(self, keeper: Keeper) -> None:
        self._keepers[keeper.id] = keeper
        self._spawn(self._archive_when_gone(keeper))
        self._spawn(self._revive_when_crashed(keeper))
        self._spawn(idle.watch(keeper, self._door, self._rest))

    def forget(self, keeper: Keeper) -> None:
        """It is not even shown any more."""
        self._keepers.pop(keeper.id, None)
        self._changed()

    def forget_ended(self, recipe_id: str) -> None:
        """What failed stays in sight until its recipe is launched again."""
        for keeper in self.all():
            if keeper.spec.recipe_id == recipe_id and not keeper.life.claims:
                self._keepers.pop(keeper.id)

    async def prune_logs(self) -> None:
        await asyncio.to_thread(cap.prune, self._around.places, self._around.settings.log_total_bytes)

    async def close(self) -> None:
        """Follow none of them any more; the engines go on."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*(keeper.close() for keeper in self.all()))

    async def _rest(self, keeper: Keeper) -> None:
        """Nobody uses it: its route is cold afterwards, not held, so that the next request starts it."""
        if nap.can_sleep(keeper):
            await nap.sleep(keeper, self._departure, patience=RETIRE_S, unasked=True)
        else:
            await self._departure.retire(keeper, RETIRE_S)

    async def _revive_when_crashed(self, keeper: Keeper) -> None:
        await keeper.bell.until(lambda: not keeper.life.alive)
        if keeper.life.state == instance.FAILED and not keeper.life.asked:
            self._revival.ended(keeper)

    async def _archive_when_gone(self, keeper: Keeper) -> None:
        await keeper.bell.until(lambda: not keeper.life.claims)
        await keeper.close()
        archive(self._around.places, keeper.id)
        if keeper.spec.recipe.get("pin"):
            self._setbacks.forget_all(Pinned.code)
        failed = keeper.life.state == instance.FAILED and not keeper.life.asked
        if failed and keeper.failure is not None and not self._begun(keeper):
            # It stays in sight with its last lines until the recipe is launched again or a person releases it.
            self._setbacks.note(keeper.spec.recipe_id, keeper.failure)
            self._changed()
        else:
            self.forget(keeper)
        await self.prune_logs()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
