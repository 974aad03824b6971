"""The route table at work: who is in flight, who waits, what is drained. One loop, no locks."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from studio_core.errors import LaunchFailed, OnHold, TooMany, Unavailable, UnknownModel
from studio_core.gateway.table import Acquire, Cause, Drained, Route, Table

# A cold request waits this long for a controller that is away.
CONTROLLER_S = 30.0
# States that no waiting can help, and the error that says so.
REFUSALS: dict[str, type[Unavailable]] = {"held": OnHold, "failed": LaunchFailed}


class Routing:
    """`tell(line)` sends a line to the controller, if there is one."""

    def __init__(self, table: Table, tell: Callable[[Any], None]) -> None:
        self.table = table
        self.inflight: Counter[str] = Counter()
        self.waiting: Counter[str] = Counter()
        self.changed = asyncio.Event()
        self._tell = tell
        self._away_since: float | None = time.monotonic()
        self._closed: set[str] = set()
        self._waiters: dict[str, list[asyncio.Future[Route]]] = {}
        self._index()

    # The table.

    def take(self, table: Table) -> None:
        """A newer table: release and count the waiters of what is ready, refuse those of what will not be, ack drains."""
        self.table, self._away_since = table, None
        self._closed.clear()
        self._index()
        for route in table.routes:
            self._settle(route)
            self._ack(route.instance)
        for recipe in set(self._waiters) - {route.recipe for route in table.routes}:
            self._refuse(recipe, UnknownModel("this model was removed", recipe, "see /v1/models"))

    def lost(self) -> None:
        """The controller is away: an unfinished drain is void, its route opens again."""
        self._away_since = time.monotonic()
        for route in self.table.routes:
            if route.state == "draining" and route.instance not in self._closed:
                route.state = "ready"
                self._settle(route)

    def _index(self) -> None:
        self._names = {name.lower(): route for route in reversed(self.table.routes) for name in reversed(route.names)}

    def find(self, name: str) -> Route:
        """Raises UnknownModel with the names there are."""
        route = self._names.get(name.lower())
        if route is None:
            names = ", ".join(sorted(route.names[0] for route in self.table.routes)[:20]) or "none yet"
            raise UnknownModel(f"the model `{name[:200]}` does not exist", f"there is: {names}", "see /v1/models")
        return route

    # A request.

    @asynccontextmanager
    async def lease(self, name: str) -> AsyncIterator[Route]:
        """The route of a model that is ready, counted as in flight while the block runs.

        Raises:
            UnknownModel, OnHold, LaunchFailed, TooMany, Unavailable.
        """
        route = await self._ready(self.find(name))
        assert route.instance is not None
        try:
            yield route
        finally:
            self._release(route.instance)

    async def _ready(self, route: Route) -> Route:
        if route.state == "ready":
            return self._count(route)
        if route.state in REFUSALS:
            raise refusal(route)
        if self.waiting.total() >= self.table.policy.queue_limit:
            limit = self.table.policy.queue_limit
            raise TooMany("too many requests wait for a model", f"the queue holds {limit}", "try again later")
        waiter: asyncio.Future[Route] = asyncio.get_running_loop().create_future()
        self._waiters.setdefault(route.recipe, []).append(waiter)
        self.waiting[route.recipe] += 1
        self.changed.set()
        self._tell(Acquire(recipe=route.recipe, waiting=self.waiting[route.recipe]))
        patience = asyncio.create_task(self._mind_the_controller(waiter))
        try:
            return await waiter
        except asyncio.CancelledError:
            # Released and cancelled in the same step: the count is given back.
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self._release(waiter.result().instance or "")
            raise
        finally:
            patience.cancel()
            self.waiting[route.recipe] -= 1
            self.changed.set()
            if waiter in self._waiters.get(route.recipe, ()):
                self._waiters[route.recipe].remove(waiter)

    async def _mind_the_controller(self, waiter: asyncio.Future[Route]) -> None:
        while not waiter.done():
            await asyncio.sleep(0.5)
            away = self._away_since
            if away is not None and time.monotonic() - away > CONTROLLER_S and not waiter.done():
                waiter.set_exception(Unavailable("the controller is away", f"for {CONTROLLER_S:.0f} s", "see: studio doctor"))

    def waiting_recipes(self) -> dict[str, int]:
        return {recipe: count for recipe, count in self.waiting.items() if count}

    def _count(self, route: Route) -> Route:
        assert route.instance is not None
        self.inflight[route.instance] += 1
        self.changed.set()
        return route

    def _release(self, instance: str) -> None:
        self.inflight[instance] -= 1
        if not self.inflight[instance]:
            del self.inflight[instance]
        self.changed.set()
        self._ack(instance)

    def _settle(self, route: Route) -> None:
        if route.state == "ready":
            for waiter in self._waiters.pop(route.recipe, ()):
                if not waiter.done():
                    waiter.set_result(self._count(route))
        elif route.state in REFUSALS:
            self._refuse(route.recipe, refusal(route))
        elif route.state == "cold" and self._waiters.get(route.recipe):
            self._tell(Acquire(recipe=route.recipe, waiting=self.waiting[route.recipe]))

    def _refuse(self, recipe: str, error: Exception) -> None:
        for waiter in self._waiters.pop(recipe, ()):
            if not waiter.done():
                waiter.set_exception(error)

    def _ack(self, instance: str | None) -> None:
        """Nothing is in flight to a draining instance: its route stays closed until a newer table."""
        draining = any(route.instance == instance and route.state == "draining" for route in self.table.routes)
        if instance and draining and not self.inflight.get(instance) and self._away_since is None:
            self._closed.add(instance)
            self._tell(Drained(instance=instance, version=self.table.version))


def refusal(route: Route) -> Unavailable:
    """The cause of a route that does not serve, as an error."""
    cause = route.cause or Cause(title=f"{route.recipe} is {route.state}")
    return REFUSALS[route.state](cause.title, cause.detail, cause.hint)
