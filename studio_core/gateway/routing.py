"""The route table at work: who is in flight, who waits, what is drained. One loop, no locks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from studio_core.errors import LaunchFailed, OnHold, TooMany, Unavailable, UnknownModel
from studio_core.gateway.table import Acquire, Cause, Counts, Drained, Policy, Route, Table

# A cold request waits this long for a controller that is away.
CONTROLLER_S = 30.0
PAUSE_S = 0.5
# States that an `acquire` ends; a failed one is cold again when the controller's back-off is over.
STARTABLE = frozenset({"cold", "sleeping"})
# States that no waiting can help, and the error that says so.
REFUSALS: dict[str, type[Unavailable]] = {"held": OnHold, "failed": LaunchFailed}


class Lease:
    """A request's claim on a model: waits for it, and is counted as in flight from then until `release`."""

    __slots__ = ("_name", "_routing", "route")

    def __init__(self, routing: Routing, name: str, route: Route | None = None) -> None:
        self.route = route
        self._routing = routing
        self._name = name

    async def ready(self) -> Route:
        """The route, once it serves. Counted in the same step in which it was picked.

        Raises:
            UnknownModel, OnHold, LaunchFailed, TooMany, Unavailable.
        """
        return await self._routing.ready(self, self._name)

    def take(self) -> Route | None:
        """The route, if it serves now: picked and counted. None when `ready` would wait, or there is no such model."""
        route = self._routing.lookup(self._name)
        if route is None or route.state != "ready" or route.instance is None:
            return None
        self.route = route
        self._routing.enter(route.instance)
        return route

    def release(self) -> None:
        """Also right when it was never ready."""
        route, self.route = self.route, None
        if route is not None and route.instance is not None:
            self._routing.release(route.instance)


class Routing:
    """`tell(line)` sends a line to the controller, if there is one; `tuned(policy)` hears of every table's policy.

    `plain`: by their names, as they are spelt, the ways of what serves and has a body as it came.
    """

    def __init__(
        self, table: Table, tell: Callable[[Any], None], tuned: Callable[[Policy], None] = lambda policy: None
    ) -> None:
        self._tuned = tuned
        tuned(table.policy)
        self.table = table
        # Per instance: requests now, and ever. Plain and without holes for those of the table: these are in every request's way.
        self._inflight: dict[str, int] = {}
        self._entered: dict[str, int] = {}
        self._changed = asyncio.Event()
        self._calm = True
        self._tell = tell
        self._away_since: float | None = time.monotonic()
        self._closed: set[str] = set()
        self._asked: set[str] = set()
        self._waiters: dict[str, dict[Lease, asyncio.Future[Route]]] = {}
        self._index()

    # The table.

    def take(self, table: Table) -> None:
        """A newer table: release and count the waiters of what is ready, refuse those of what will not be, ack drains."""
        self.table, self._away_since = table, None
        self._tuned(table.policy)
        self._closed.clear()
        self._index()
        for route in table.routes:
            self._settle(route)
            self._ack(route.instance)
        for recipe in set(self._waiters) - {route.recipe for route in table.routes}:
            self._refuse(recipe, UnknownModel("this model was removed", recipe, "see /v1/models"))

    def lost(self) -> None:
        """The controller is away: an unfinished drain is void, its route opens again."""
        if self._away_since is None:
            self._away_since = time.monotonic()
        self._asked.clear()
        reopened = [one for one in self.table.routes if one.state == "draining" and one.instance not in self._closed]
        for route in reopened:
            route.state = "ready"
        self._index()
        for route in reopened:
            self._settle(route)

    @property
    def linked(self) -> bool:
        """Whether a controller is there and has said what is."""
        return self._away_since is None

    def doubt(self, route: Route) -> bool:
        """Nobody listens there. While the controller is away that is all we can know, and the model counts as cold."""
        if self._away_since is None:
            return False
        route.state = "cold"
        self._index()
        return True

    def _index(self) -> None:
        self._names = {name.lower(): route for route in reversed(self.table.routes) for name in reversed(route.names)}
        self.plain = {
            name: way for route in self.table.routes for name in route.names
            if self._names[name.lower()] is route and (way := route.way(name)) is not None
        }
        self._draining = {route.instance for route in self.table.routes if route.state == "draining"}
        here = {route.instance for route in self.table.routes if route.instance}
        self._inflight = {**dict.fromkeys(here, 0), **self.inflight}
        self._entered = {instance: self._entered.get(instance, 0) for instance in {*here, *self.inflight}}

    def lookup(self, name: str) -> Route | None:
        return self._names.get(name.lower())

    def find(self, name: str) -> Route:
        """Raises UnknownModel with the names there are."""
        route = self.lookup(name)
        if route is None:
            names = ", ".join(sorted(route.names[0] for route in self.table.routes)[:20]) or "none yet"
            raise UnknownModel(f"the model `{name[:200]}` does not exist", f"there is: {names}", "see /v1/models")
        return route

    # A request.

    async def ready(self, lease: Lease, name: str) -> Route:
        """See Lease.ready."""
        route = lease.take()
        if route is not None:
            return route
        route = self.find(name)
        if route.state in REFUSALS:
            raise refusal(route)
        self._check_queue()
        waiter: asyncio.Future[Route] = asyncio.get_running_loop().create_future()
        self._waiters.setdefault(route.recipe, {})[lease] = waiter
        self.stir()
        self._acquire(route)
        patience = asyncio.create_task(self._mind_the_controller(waiter))
        try:
            return await waiter
        finally:
            patience.cancel()
            self._leave(route.recipe, lease)

    def _leave(self, recipe: str, lease: Lease) -> None:
        """One waiter less. When the last has left nothing is asked for any more: that is told at once, before a load begins."""
        waiters = self._waiters.get(recipe, {})
        if waiters.pop(lease, None) is not None and not waiters:
            self._asked.discard(recipe)
            self._tell(self.counts())
        self.stir()

    def counts(self) -> Counts:
        """Who is here now, as the controller is told."""
        return Counts(inflight=self.inflight, waiting=self.waiting(), entered=self.entered)

    def enter(self, instance: str) -> None:
        """One request more in flight; drains wait for it too."""
        self._inflight[instance] += 1
        self._entered[instance] += 1
        if self._calm:
            self.stir()

    def release(self, instance: str) -> None:
        """One request less in flight."""
        self._inflight[instance] -= 1
        if self._calm:
            self.stir()
        if self._draining:
            self._ack(instance)

    @property
    def inflight(self) -> dict[str, int]:
        """Requests in flight, per instance that has any."""
        return {instance: count for instance, count in self._inflight.items() if count}

    @property
    def entered(self) -> dict[str, int]:
        """Requests that were ever let in, per instance of the table that had any."""
        return {instance: count for instance, count in self._entered.items() if count}

    def stir(self) -> None:
        """Who waits for `news` has some."""
        self._calm = False
        self._changed.set()

    async def news(self) -> None:
        """Until something has changed since the last time."""
        await self._changed.wait()
        self._changed.clear()
        self._calm = True

    def waiting(self) -> dict[str, int]:
        """Requests that wait, per recipe."""
        return {recipe: len(waiters) for recipe, waiters in self._waiters.items() if waiters}

    def _check_queue(self) -> None:
        limit = self.table.policy.queue_limit
        if sum(self.waiting().values()) >= limit:
            raise TooMany("too many requests wait for a model", f"the queue holds {limit}", "try again later")

    async def _mind_the_controller(self, waiter: asyncio.Future[Route]) -> None:
        began = time.monotonic()
        while not waiter.done():
            await asyncio.sleep(PAUSE_S)
            away = self._away_since
            if away is not None and time.monotonic() - max(away, began) > CONTROLLER_S and not waiter.done():
                waiter.set_exception(Unavailable("the controller is away", f"for {CONTROLLER_S:.0f} s", "see: studio doctor"))

    def _acquire(self, route: Route) -> None:
        """Once for all who wait; again when the controller is another, or the model was on its way and is cold again."""
        if route.state in STARTABLE and route.recipe not in self._asked and self._away_since is None:
            self._asked.add(route.recipe)
            self._tell(Acquire(recipe=route.recipe, waiting=len(self._waiters[route.recipe])))

    def _settle(self, route: Route) -> None:
        if route.state not in STARTABLE or not self._waiters.get(route.recipe):
            self._asked.discard(route.recipe)
        if route.state == "ready":
            for lease, waiter in self._waiters.pop(route.recipe, {}).items():
                if not waiter.done():
                    waiter.set_result(lease.take() or route)
        elif route.state in REFUSALS:
            self._refuse(route.recipe, refusal(route))
        elif self._waiters.get(route.recipe):
            self._acquire(route)

    def _refuse(self, recipe: str, error: Exception) -> None:
        for waiter in self._waiters.pop(recipe, {}).values():
            if not waiter.done():
                waiter.set_exception(error)

    def _ack(self, instance: str | None) -> None:
        """Nothing is in flight to a draining instance: its route stays closed until a newer table."""
        if instance and instance in self._draining and not self._inflight.get(instance) and self._away_since is None:
            self._closed.add(instance)
            self._tell(Drained(instance=instance, version=self.table.version))


def refusal(route: Route) -> Unavailable:
    """The cause of a route that does not serve, as an error."""
    cause = route.cause or Cause(title=f"{route.recipe} is {route.state}")
    return REFUSALS[route.state](cause.title, cause.detail, cause.hint)
