"""The supervisor: launches, instances, holds. It decides with `planner`, acts through keepers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any

from studio_core import room, wire
from studio_core.engines.registry import find
from studio_core.errors import Conflict, LaunchFailed, NotFound, OnHold, Pinned, StudioError
from studio_core.recipes.recipe import Recipe
from studio_core.supervisor import abandon, instance, launch, nap, planner
from studio_core.supervisor.acquisition import Acquisitions
from studio_core.supervisor.adoption import adopt
from studio_core.supervisor.assembly import assemble, refuse_stranger
from studio_core.supervisor.attempt import Attempt, Attempts, failure_of
from studio_core.supervisor.bell import Bell
from studio_core.supervisor.departure import Departure, Door
from studio_core.supervisor.holding import holdings
from studio_core.supervisor.keeper import Keeper
from studio_core.supervisor.restart import Turn
from studio_core.supervisor.resumption import attempt_of, keep_origin, resume
from studio_core.supervisor.revival import Past, Revival, none
from studio_core.supervisor.roster import Roster
from studio_core.supervisor.setback import Setbacks
from studio_core.supervisor.surroundings import Surroundings

# A shim that takes longer to come up is not waited for by who joins its launch.
WRITTEN_S = 2.0


RecipeSource = Callable[[str], Awaitable[Recipe]]
Over = Callable[[Attempt, Keeper | None], Awaitable[None]]


class Supervisor:
    """Runs recipes. `recipes(id)` gives a recipe or raises NotFound; `over` is told of every launch that ended.

    `past` gives the last launch of each recipe, as earlier controllers wrote it down.
    """

    def __init__(self, around: Surroundings, recipes: RecipeSource, door: Door, over: Over, past: Past = none) -> None:
        self.holds: set[str] = set()
        self.notices: list[str] = []
        self._around = around
        self._recipes = recipes
        self._door = door
        self._departure = Departure(door, around.settings.drain_s)
        self._over = over
        self._bell = Bell()
        self._attempts = Attempts()
        self._revival = Revival(around, past, self._restart)
        self._setbacks = Setbacks(self._changed)
        self._roster = Roster(around, door, self._departure, self._revival, self._setbacks, self._begun, self._changed)
        self._acquisitions = Acquisitions(
            self.launch, lambda: bool(self._attempts.active()), self._setbacks, door, self._bell
        )
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Adopt what earlier controllers left."""
        await self._revival.remember()
        found = await adopt(self._around, self.notices)
        for keeper in found.keepers:
            self._roster.keep(keeper)
            if not self._revival.recognise(keeper) and (attempt := resume(keeper)) is not None:
                self._begin(attempt, keeper)
        for attempt in filter(None, map(attempt_of, found.unbegun)):
            self._begin(attempt)
        self._revival.resume({keeper.spec.recipe_id for keeper in self.keepers()})
        await self._roster.prune_logs()

    async def stop(self) -> None:
        """Leave everything running; launches under way are taken over by the next controller as they stand."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._roster.close()

    # What there is.

    def keepers(self) -> list[Keeper]:
        return self._roster.all()

    def instances(self) -> list[wire.Instance]:
        return [keeper.view() for keeper in self.keepers()]

    def launches(self) -> list[wire.Launch]:
        return [attempt.view(self._roster.find(attempt.instance_id)) for attempt in self._attempts]

    def launch_state(self, launch_id: str) -> wire.Launch:
        """Raises NotFound."""
        attempt = self._attempts.get(launch_id)
        return attempt.view(self._roster.find(attempt.instance_id))

    def planned(self) -> set[str]:
        """The recipes whose engine is about to be started."""
        return {one.recipe.id for one in self._attempts.active() if one.state in (launch.PLANNED, launch.WAITING)}

    def failure(self, recipe_id: str) -> wire.Failure | None:
        """Why the last start failed, while its requests are still answered with the cause."""
        return self._setbacks.of(recipe_id)

    def serving(self, recipe_id: str) -> Keeper | None:
        """The keeper of the instance that comes or serves for a recipe."""
        return self._roster.serving(recipe_id)

    def plan(self, recipe: Recipe, origin: str = launch.PERSON, force: bool = False) -> planner.Plan:
        """What a launch would lead to, as things are now."""
        return planner.plan(
            recipe.id, origin, force=force, exclusive=self._around.settings.exclusive, held=recipe.id in self.holds,
            holdings=holdings(self.keepers()), attempts=self._attempts.planned(), gpus=frozenset(recipe.gpus or ()),
        )

    # What a person or the gateway asks.

    async def launch(self, recipe_id: str, origin: str = launch.PERSON, force: bool = False) -> wire.Launch:
        """Get a recipe running; returns at once with the launch to follow.

        Raises:
            NotFound: no such recipe. BadRecipe: it cannot work. OnHold: an acquire of a recipe a person stopped.
            Pinned, or for a person Conflict: what would have to leave is pinned, and nobody insists.
            DiskFull: an engine could not be recorded; nobody was sent away for it.
        """
        recipe = await self._recipes(recipe_id)
        await asyncio.to_thread(find(recipe.backend).check, recipe, self._around.settings)
        # From here to the registered attempt nothing is awaited: two requests cannot both find the house empty.
        plan = self.plan(recipe, origin, force)
        if plan.refused:
            raise OnHold(f"{recipe.title} was stopped by hand", "", f"launch it: studio launch {recipe_id}")
        if plan.joined:
            joined = self._attempts.join(plan.joined, origin)
            # It is true when it is answered, also for a controller that comes after this one.
            for written in self._keep_origin(joined):
                await asyncio.wait({written}, timeout=WRITTEN_S)
            return self.launch_state(joined.id)
        if plan.serving:
            return self._attempts.remember(Attempt.served(recipe, plan.serving)).view(self._roster.get(plan.serving))
        if plan.pinned:
            kind = Conflict if origin == launch.PERSON else Pinned
            names = ", ".join(self._roster.get(name).spec.recipe_id for name in plan.pinned)
            raise kind(f"{names} is pinned", f"{recipe.title} would take its place", f"insist: studio launch {recipe_id} --force")
        if room.is_scarce(self._around.places.instances):
            raise room.full(self._around.places.root, f"{recipe.id} was not started")
        if plan.queued:
            raise Conflict("another launch is under way", "", "the request waits for it to end")
        for rival in map(self._attempts.get, plan.supersedes):
            self._move(rival, launch.SUPERSEDED)
            self._spawn(self._end(rival, launch.SUPERSEDED))
        if origin == launch.PERSON:
            self.holds.discard(recipe_id)
        self._forget_failure(recipe_id)
        return self._begin(Attempt.new(recipe, origin, force)).view(None)

    def _begin(self, attempt: Attempt, keeper: Keeper | None = None) -> Attempt:
        self._attempts.remember(attempt)
        attempt.task = self._spawn(self._run(attempt, keeper))
        watched = abandon.watch(attempt, self._door, self._around.settings.abandon_s, partial(self._end, state=launch.CANCELLED))
        self._spawn(watched)
        self._changed()
        return attempt

    def _restart(self, recipe: Recipe, turn: Turn, pause_s: float) -> None:
        """Begin the launch that starts a crashed engine again when its pause is over. Whoever else is on the way goes first."""
        if self.plan(recipe, launch.RESTART) != planner.Plan():
            return
        attempt = Attempt.new(recipe, launch.RESTART, False)
        attempt.turn, attempt.due = turn, time.monotonic() + pause_s
        self._begin(attempt)

    async def acquire(self, recipe_id: str) -> None:
        """Requests wait for a recipe: start it, join its launch, or try again when the launch under way is over.

        It is forgotten as soon as they have all left.
        """
        await self._acquisitions.ask(recipe_id)

    def heard(self) -> None:
        """A gateway told who waits."""
        self._bell.ring()

    async def over(self, launch_id: str) -> wire.Launch:
        """Wait until a launch has ended, however."""
        attempt = self._attempts.get(launch_id)
        await self._bell.until(lambda: attempt.state in launch.OVER)
        return self.launch_state(launch_id)

    async def cancel(self, launch_id: str | None = None, recipe_id: str | None = None) -> wire.Launch:
        """Cancel one launch, named by itself or by its recipe; what it started is stopped, and the recipe is on hold.

        Without the hold the requests that wait for it would start it again at once.

        Raises:
            NotFound: none is under way.
        """
        found = [one for one in self._attempts.active() if one.id == launch_id or one.recipe.id == recipe_id]
        if not found:
            raise NotFound("no launch is under way", f"for {launch_id or recipe_id}", "see: studio status")
        attempt = found[0]
        self.holds.add(attempt.recipe.id)
        await self._end(attempt, launch.CANCELLED)
        return self.launch_state(attempt.id)

    async def evict(self, instance_id: str | None = None, force: bool = False) -> list[wire.Instance]:
        """Stop one instance or all, after their requests in flight; the recipes are on hold afterwards.

        All includes what is only about to start: its launch is cancelled. One that crashed is not started again.

        Raises:
            NotFound: no such instance. Conflict: requests were still in flight at the drain's deadline (not with `force`).
        """
        crashed = self._roster.get(instance_id).spec.recipe_id if instance_id is not None else ""
        for coming in self._attempts.active():
            if instance_id is None or (coming.due is not None and coming.recipe.id == crashed):
                self.holds.add(coming.recipe.id)
                await self._end(coming, launch.CANCELLED)
        chosen = [keeper for keeper in self.keepers() if instance_id in (None, keeper.id) and keeper.life.claims]
        for keeper in chosen:
            self.holds.add(keeper.spec.recipe_id)
            if (attempt := self._attempts.find(keeper.spec.launch_id)) is not None:
                await self._end(attempt, launch.CANCELLED)
        await asyncio.gather(*(self._departure.dismiss(keeper, force) for keeper in chosen))
        return [keeper.view() for keeper in chosen]

    async def sleep(self, keeper: Keeper, level: int | None, force: bool) -> None:
        """See nap.sleep."""
        await nap.sleep(keeper, self._departure, level, force)

    def release(self, instance_id: str) -> None:
        """A person says that a failed or stuck instance holds nothing any more. NotFound."""
        keeper = self._roster.get(instance_id)
        keeper.happen("release")
        if not keeper.life.claims:
            self._roster.forget(keeper)

    # One launch.

    async def _run(self, attempt: Attempt, keeper: Keeper | None = None) -> None:
        """From its plan on, or from an engine that an earlier controller started for it."""
        sleeper = None
        try:
            if keeper is None:
                sleeper = await self._cleared(attempt)
                keeper = await (self._bring_up(attempt) if sleeper is None else self._wake(attempt, sleeper))
            await keeper.bell.until(lambda: not keeper.life.coming)
            if keeper.life.state != instance.READY:
                raise LaunchFailed("the engine did not become ready")
            self._move(attempt, launch.READY)
        except StudioError as error:
            attempt.failure = (keeper.failure if keeper is not None else None) or failure_of(error)
            self._setbacks.note(attempt.recipe.id, attempt.failure)
            self._move(attempt, launch.FAILED)
        if sleeper is None:  # Waking tells nothing of how long starts take.
            await self._over(attempt, keeper)

    async def _cleared(self, attempt: Attempt) -> Keeper | None:
        """Until nothing is in its way any more; the instance that then has only to wake."""
        if attempt.due is not None:
            await self._pause(attempt)
        await asyncio.to_thread(refuse_stranger, attempt.recipe, self._around.settings, self._roster.ports())
        sleeper = self._sleeper(attempt)
        await self._make_room(attempt, sleeper)
        return sleeper

    async def _pause(self, attempt: Attempt) -> None:
        """What is started after it is the recipe as it then is, and only where it could have been launched."""
        self._move(attempt, launch.WAITING)
        await attempt.pause()
        attempt.recipe = await self._recipes(attempt.recipe.id)
        await asyncio.to_thread(find(attempt.recipe.backend).check, attempt.recipe, self._around.settings)
        self._forget_failure(attempt.recipe.id)
        self._changed()

    def _sleeper(self, attempt: Attempt) -> Keeper | None:
        """The instance that has only to wake, unless a person insists on a new one."""
        found = self.serving(attempt.recipe.id)
        return found if found and found.life.state == instance.SLEEPING and not attempt.force else None

    async def _wake(self, attempt: Attempt, keeper: Keeper) -> Keeper:
        attempt.instance_id = keeper.id
        self._move(attempt, launch.STARTING)
        await nap.wake(keeper)
        return keeper

    async def _make_room(self, attempt: Attempt, sleeper: Keeper | None) -> None:
        """Send away who must leave; wait for what is leaving already. A restart displaces nobody: raises Conflict."""
        going = self.leaving(attempt.recipe, sleeper)
        others = [one.id for one in going if one.spec.recipe_id != attempt.recipe.id]
        if others and attempt.origin == launch.RESTART:
            raise Conflict(f"{attempt.recipe.title} was not restarted", f"{', '.join(others)} took its place", "launch it by hand")
        if going:
            attempt.leaving = [one.id for one in going]
            self._move(attempt, launch.WAITING)
            await asyncio.gather(*(self._departure.dismiss(one, attempt.force) for one in going))
            attempt.leaving = []

    def leaving(self, recipe: Recipe, stays: Keeper | None = None) -> list[Keeper]:
        """Who must be gone before this recipe runs."""
        gpus, exclusive = frozenset(recipe.gpus or ()), self._around.settings.exclusive
        names = planner.leaving(recipe.id, gpus, exclusive, holdings(self.keepers()))
        return [self._roster.get(name) for name in names if stays is None or name != stays.id]

    async def _bring_up(self, attempt: Attempt) -> Keeper:
        around = self._around
        spec = await asyncio.to_thread(
            assemble, attempt.recipe, find(attempt.recipe.backend), attempt.id, around.places, around.settings,
            self._roster.ports(), attempt.turn.number if attempt.turn else 0, attempt.origin,
        )
        keeper = Keeper(spec, find(attempt.recipe.backend), around)
        self._roster.keep(keeper)
        attempt.instance_id = keeper.id
        self._move(attempt, launch.STARTING)
        keeper.start()
        self._keep_origin(attempt)
        return keeper

    async def _end(self, attempt: Attempt, state: str) -> None:
        """End a launch early: its task, then whatever engine it started."""
        self._move(attempt, state)
        if attempt.task is not None:
            attempt.task.cancel()
            await asyncio.gather(attempt.task, return_exceptions=True)
        keeper = self._roster.find(attempt.instance_id)
        if keeper is not None and keeper.life.claims and keeper.life.state not in (instance.READY, instance.DRAINING):
            await keeper.stop()
        await self._over(attempt, keeper)

    # Bookkeeping.

    def _begun(self, keeper: Keeper) -> bool:
        """Whether a later launch of its recipe has begun."""
        return any(
            one.recipe.id == keeper.spec.recipe_id and one.id != keeper.spec.launch_id and one.due is None
            for one in self._attempts.active()
        )

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _keep_origin(self, attempt: Attempt) -> list[asyncio.Task[None]]:
        keeper = self._roster.find(attempt.instance_id)
        return [] if keeper is None else [self._spawn(keep_origin(attempt, keeper, self._around.places))]

    def _move(self, attempt: Attempt, state: str) -> None:
        attempt.move(state)
        self._changed()

    def _forget_failure(self, recipe_id: str) -> None:
        self._setbacks.forget(recipe_id)
        self._roster.forget_ended(recipe_id)

    def _changed(self) -> None:
        self._bell.ring()
        self._around.changed()
