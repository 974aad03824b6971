"""What the gateways are told: the route table, made from recipes, instances, holds and keys at every change."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence

from studio_core.controller.link import GatewayLink
from studio_core.engines.readiness import running
from studio_core.gateway.table import Cause, Filters, Key, Policy, Route, Upstream
from studio_core.recipes.recipe import Recipe, starts_alike
from studio_core.settings import Settings
from studio_core.store.key import KeyTable
from studio_core.store.recipe import RecipeTable
from studio_core.supervisor import instance
from studio_core.supervisor.attachment import Attachment
from studio_core.supervisor.departure import Traffic
from studio_core.supervisor.keeper import Keeper
from studio_core.supervisor.service import Supervisor

# The state of an instance → the state of its route. What is not here has no upstream: held, failed or cold.
ROUTE_STATES = {
    **dict.fromkeys(instance.COMING, "loading"),
    instance.READY: "ready",
    instance.SLEEPING: "sleeping",
    instance.DRAINING: "draining",
}


# A gateway answers within a loop step; one that hangs shall not hold up who stores a recipe.
TAKEN_S = 2.0


class Frontdoor:
    """Keeps the gateways' table true. `changed()` may be called at any rate; one publication is under way at a time."""

    def __init__(self, settings: Settings, link: GatewayLink, recipes: RecipeTable, keys: KeyTable) -> None:
        self.supervisor: Supervisor | None = None
        self.attached: Callable[[], Sequence[tuple[Attachment, bool]]] = tuple
        self._settings = settings
        self._link = link
        self._recipes = recipes
        self._keys = keys
        self._dirty = asyncio.Event()
        self._publishing = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        await self.publish()
        self._task = asyncio.create_task(self._keep_publishing())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def changed(self) -> None:
        self._dirty.set()

    async def _keep_publishing(self) -> None:
        while True:
            await self._dirty.wait()
            await self.publish()

    async def publish(self) -> int:
        """Push the table as it is now; returns its version's counter. In turn: what was read first is never told last."""
        async with self._publishing:
            self._dirty.clear()
            recipes = [stored.recipe for stored in await self._recipes.list() if stored.recipe is not None]
            keys = [Key(id=key.id, sha256=key.sha256, scopes=list(key.scopes)) for key in await self._keys.list()]
            # A recipe's name goes before an attached engine's: the first route with a name counts.
            planned = self.supervisor.planned() if self.supervisor is not None else set[str]()
            routes = [*(self._route(one, one.id in planned) for one in recipes), *(_foreign(*one) for one in self.attached())]
            version = self._link.publish(routes, keys, self._policy())
            self._compare({recipe.id: recipe for recipe in recipes})
            return version

    def _compare(self, recipes: Mapping[str, Recipe]) -> None:
        """An instance lives by its snapshot: whoever sees it shall see that the recipe says something else by now."""
        for keeper in self.supervisor.keepers() if self.supervisor is not None else ():
            recipe = recipes.get(keeper.spec.recipe_id)
            keeper.recipe_changed = recipe is not None and not starts_alike(keeper.spec.recipe, recipe)

    async def known(self) -> None:
        """Publish, and return when the gateways route by it: who stored a recipe may ask for it at once."""
        await self._link.taken(await self.publish(), TAKEN_S)

    async def drained(self, instance_id: str, timeout: float) -> bool:
        """Publish that the instance drains; True when every gateway and the engine say that nothing is in flight."""
        version = await self.publish()
        if not await self._link.drained(instance_id, version, timeout):
            return False
        return await self._engine_idle(instance_id)

    async def _engine_idle(self, instance_id: str) -> bool:
        """Whether the engine's own gauge reads 0; an engine without one counts as idle once the gateways are."""
        keepers = self.supervisor.keepers() if self.supervisor is not None else []
        keeper = next((one for one in keepers if one.id == instance_id), None)
        if keeper is None:
            return True
        for _ in range(50):
            if not await running(keeper.engine, *keeper.address, keeper.spec.api_key):
                return True
            await asyncio.sleep(0.1)
        return False

    def traffic(self, instance_id: str, recipe_id: str) -> Traffic:
        link = self._link
        return Traffic(
            link.inflight.get(instance_id, 0), link.waiting.get(recipe_id, 0), link.entered.get(instance_id, 0),
            link.counted,
        )

    def _policy(self) -> Policy:
        settings = self._settings
        return Policy(
            remote_admin=settings.remote_admin,
            allowed_hosts=list(settings.allowed_hosts),
            allowed_origins=list(settings.allowed_origins),
            queue_limit=settings.queue_limit,
            body_limit=settings.body_limit,
            ping_s=settings.ping_s,
            hold_headers_s=settings.hold_headers_s,
            head_s=settings.head_s,
            body_s=settings.body_s,
            idle_s=settings.idle_s,
            stall_s=settings.stall_s,
        )

    def _route(self, recipe: Recipe, planned: bool) -> Route:
        supervisor = self.supervisor
        keeper = supervisor.serving(recipe.id) if supervisor is not None else None
        route = Route(recipe=recipe.id, names=[*recipe.public_names, *recipe.adapter_names], state="cold",
                      max_model_len=recipe.max_model_len)
        if recipe.filters is not None:
            route.filters = Filters(**recipe.filters.model_dump())
        if keeper is not None and keeper.life.state in ROUTE_STATES:
            return self._served(route, keeper)
        if supervisor is None:
            return route
        if recipe.id in supervisor.holds:
            route.state, route.cause = "held", Cause(
                title=f"{recipe.title} was stopped by hand", hint=f"launch it: studio launch {recipe.id}"
            )
        elif planned:
            # Also after a crash, while it is about to be started again.
            route.state = "loading"
        elif (failure := supervisor.failure(recipe.id)) is not None:
            route.state, route.cause = "failed", Cause(title=failure.title, detail=failure.detail, hint=failure.hint)
        return route

    def _served(self, route: Route, keeper: Keeper) -> Route:
        route.state = ROUTE_STATES[keeper.life.state]
        route.instance, route.engine = keeper.id, keeper.spec.engine
        route.stage, route.percent = keeper.progress.stage, keeper.progress.percent
        route.names = _union(keeper.spec.served_names, [*route.names, *keeper.names])
        route.upstream = Upstream(
            host=keeper.spec.host, port=keeper.spec.port, key=keeper.spec.api_key, model=keeper.spec.served_names[0],
            keep=[name for name in keeper.names if name not in keeper.spec.served_names],
        )
        return route


def _foreign(one: Attachment, proven: bool) -> Route:
    """The route of an attached engine. Without proof that the port is still its own nobody's prompt goes there."""
    route = Route(recipe=one.instance, names=[one.name], state="ready", instance=one.instance, engine=one.engine)
    if proven:
        route.upstream = Upstream(host=one.host, port=one.port, key=one.key, model=one.model)
    else:
        route.state, route.cause = "failed", Cause(
            title=f"{one.name} does not listen on port {one.port} any more", detail=f"pid {one.process.pid} still runs",
            hint=f"see: studio ps; or: studio detach {one.process.pid}",
        )
    return route


def _union(first: Sequence[str], second: Sequence[str]) -> list[str]:
    return list(dict.fromkeys([*first, *second]))
