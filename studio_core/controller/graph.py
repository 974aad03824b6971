"""The controller's services, built in one place: who is made of whom, started in which order, stopped in the reverse."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar

import msgspec

from studio_core import __version__, room, wire
from studio_core.chat.turn import Turns
from studio_core.controller import app
from studio_core.controller.frontdoor import Frontdoor
from studio_core.controller.gatekeeper import Gatekeeper
from studio_core.controller.herald import Herald
from studio_core.controller.link import GatewayLink
from studio_core.controller.server import Server
from studio_core.controller.services import Daemons, Figures, Services
from studio_core.doctor.session import verdict
from studio_core.doctor.subject import Subject
from studio_core.errors import DiskFull
from studio_core.events import Hub
from studio_core.gpu.watch import GpuWatch
from studio_core.metrics.exporter import Exporter
from studio_core.metrics.meter import Meter
from studio_core.metrics.recorder import Recorder, figures
from studio_core.models.discovery import studio_models
from studio_core.paths import Places
from studio_core.recipes.recipe import Recipe
from studio_core.settings import Settings
from studio_core.store.chat import ChatTable
from studio_core.store.key import KeyTable, ensure_admin_key
from studio_core.store.later import Later
from studio_core.store.launch import LaunchRow, LaunchTable
from studio_core.store.recipe import RecipeTable
from studio_core.store.request import used
from studio_core.store.sample import SampleTable
from studio_core.store.store import Store
from studio_core.store.takeover import takeover
from studio_core.supervisor import identity, launch
from studio_core.supervisor.attempt import Attempt
from studio_core.supervisor.foreign import Foreigners
from studio_core.supervisor.inquirer import Inquirer
from studio_core.supervisor.job import Jobs
from studio_core.supervisor.keeper import Keeper
from studio_core.supervisor.kin import kin
from studio_core.supervisor.learned import Learned
from studio_core.supervisor.service import Supervisor
from studio_core.supervisor.surroundings import Surroundings
from studio_core.usage.ingest import Ingest
from studio_core.usage.sums import lifetime, peaks, sums


class Controller:
    """All services of one state directory. `end(gateway, engines)` is called when a person ends it: what of the two ends too."""

    def __init__(self, settings: Settings, places: Places, start_id: str, end: Callable[[bool, bool], None]) -> None:
        self._settings = settings
        self._places = places
        self._said: list[str] = []
        self._started_at = datetime.now(UTC).isoformat()
        self.store = Store(settings.database)
        self.recipes = RecipeTable(self.store)
        self.launches = LaunchTable(self.store)
        self.keys = KeyTable(self.store)
        self._later = Later()
        chats = ChatTable(self.store)
        self._exporter = Exporter()
        self._gatekeeper = Gatekeeper(settings, places)
        self.link = GatewayLink(places, start_id, self._gatekeeper, self._acquire, self._heard)
        self._door = Frontdoor(settings, self.link, self.recipes, self.keys)
        self._gpu = GpuWatch(settings, places, self._sampled, self._owner)
        around = Surroundings(places, settings, self._changed, self._gpu.held, self.launches.starts)
        self.supervisor = self._door.supervisor = Supervisor(
            around, self.recipes.usable, self._door, self._over, self.launches.last
        )
        self._inquirer = Inquirer(settings, self._readable, self._starting)
        self._foreign = Foreigners(
            places.attached, lambda found: kin(found, self.supervisor.keepers()), self._names, self._changed
        )
        self._door.attached = self._foreign.attached
        self._ingest = Ingest(self.store, places)
        self._meter = Meter(self.supervisor.keepers, self._counts, self._measured)
        self._recorder = Recorder(SampleTable(self.store))
        self._turns = Turns(chats, lambda: self._gatekeeper.url, self._key, max(settings.ping_s, settings.hold_headers_s))
        self._services = Services(
            settings=settings, places=places, recipes=self.recipes, chats=chats, launches=self.launches,
            supervisor=self.supervisor, hub=Hub(), gpu=self._gpu, meter=self._meter,
            recorder=self._recorder, turns=self._turns,
            figures=Figures(self._usage, self._peaks, self._lifetime, partial(used, self.store)),
            daemons=self._daemons(), exporter=self._exporter,
            jobs=Jobs(places), foreign=self._foreign, ask=self.link.ask,
            models=self._models,
            takeover=partial(takeover, self.store, then=self.recipes.kept.written), changed=self._recipes_changed,
            notices=self._notices,
            shutdown=lambda engines: end(True, engines), restart=lambda: end(False, False), keys=self.keys,
        )
        self._herald = Herald(self._services)
        self._learned = Learned(self._learn)
        self._writes: set[asyncio.Task[None]] = set()
        self._servers = [
            Server(app.build(self._services, owner=True), places.control_socket),
            Server(app.build(self._services, owner=False), places.gateway_socket),
        ]

    async def start(self) -> None:
        """The database first, what lives is adopted next, and the owner's socket opens when everything is true.

        When it fails, the database's threads end: they would keep the process from ending.
        """
        await self.store.start()
        try:
            await self._start()
        except BaseException:
            await self.store.stop()
            raise

    async def _start(self) -> None:
        if not self._places.admin_key.exists():
            # The first start: a person should know before the first logout.
            ends, remedy = verdict(Subject(self._settings, os.environ))
            self._said.append(ends + (f"; change it: {remedy}" if remedy else ""))
        await ensure_admin_key(self._places, self.keys)
        if self._settings.api_key:
            await self.keys.add(self._settings.api_key, "api_key of the settings", ("admin",))
        await self._later.do(self._turns.start)
        await self.supervisor.start()
        await self._foreign.start()
        await self._door.start()
        await self.link.start()
        await self._ingest.start()
        await self._gpu.start()
        await self._herald.start()
        for server in reversed(self._servers):
            await server.start()
        await self._inquirer.start()

    async def stop(self, gateway: bool, engines: bool) -> None:
        """Engines go on unless `engines`; the gateway goes on unless `gateway`."""
        if engines:
            await self.supervisor.evict(force=True)
        self._services.hub.close()
        for server in self._servers:
            await server.stop()
        await self._inquirer.stop()
        await self._turns.stop()
        await self._herald.stop()
        await self._gpu.stop()
        await self._meter.stop()
        await self._recorder.stop()
        await self._door.stop()
        await self._foreign.stop()
        await self.link.stop(shutdown=gateway)
        await self._ingest.stop()
        await self.supervisor.stop()
        await asyncio.gather(*self._writes)
        await self._later.stop()
        await self.store.stop()

    # What happens.

    def _changed(self) -> None:
        self._door.changed()
        self._herald.changed()
        self._inquirer.give_way()

    def _heard(self) -> None:
        self.supervisor.heard()
        self._changed()

    async def _recipes_changed(self) -> None:
        await self._door.known()
        self._herald.changed()
        self._inquirer.notice()

    def _starting(self) -> bool:
        return any(one.state not in launch.OVER for one in self.supervisor.launches()) or any(
            keeper.life.coming for keeper in self.supervisor.keepers()
        )

    async def _readable(self) -> list[Recipe]:
        return [one.recipe for one in await self.recipes.list() if one.recipe is not None]

    def _sampled(self, sample: wire.Gpus) -> None:
        self._learned.sampled(sample, self.supervisor.keepers())
        self._herald.sampled(sample)
        self._recorder.take(figures(sample, self._meter.latest))
        self._meter.beat()

    def _measured(self, metrics: wire.Metrics) -> None:
        powers = [one.power_draw for one in self._gpu.latest().gpus if one.power_draw is not None]
        metrics.current_power_watts = sum(powers) if powers else None
        self._herald.measured(metrics)

    def _counts(self) -> tuple[int, int]:
        return self.link.inflight.total(), self.link.waiting.total()

    def _learn(self, launch_id: str, memory_bytes: int) -> None:
        write = asyncio.create_task(self._later.do(partial(self.launches.learn, launch_id, memory_bytes)))
        self._writes.add(write)
        write.add_done_callback(self._writes.discard)

    async def _names(self) -> list[str]:
        return [name for one in await self._readable() for name in one.public_names]

    async def _acquire(self, recipe_id: str) -> None:
        await self.supervisor.acquire(recipe_id)

    def _owner(self, pid: int) -> str | None:
        for keeper in self.supervisor.keepers():
            if any(pid == seen for seen, _ in keeper.processes()):
                return keeper.id
        return None

    async def _over(self, attempt: Attempt, keeper: Keeper | None) -> None:
        """Keep what a launch took, for the next one's expectation."""
        total = attempt.marks.get(launch.READY)
        ended = attempt.marks.get(attempt.state, 0.0)
        engine = keeper.spec.engine if keeper is not None else attempt.recipe.backend
        if attempt.state in (launch.READY, launch.FAILED):
            self._exporter.switched(attempt.recipe.id, engine, attempt.state == launch.READY, ended)
        row = LaunchRow(
            id=attempt.id, recipe=attempt.recipe.id, engine=engine, origin=attempt.origin, state=attempt.state,
            instance=attempt.instance_id, created_at=attempt.created_at, marks=dict(attempt.marks), total_s=total,
            cause=attempt.failure.title if attempt.failure else "",
            start=keeper.pace.start() if keeper is not None else None,
        )
        await self._later.do(partial(self.launches.add, row))
        self._inquirer.notice()

    # What the routes ask.

    def _key(self) -> str:
        return self._places.admin_key.read_text(encoding="ascii").strip()

    def _notices(self) -> list[str]:
        full = [room.full(self._places.root).line()] if room.is_scarce(self._places.root) else []
        return [*self._said, *self.store.notices, *self.supervisor.notices, *full]

    async def _usage(self) -> dict[str, Any]:
        with contextlib.suppress(DiskFull):
            # What is stored can be read; what waits in the journal comes when there is room.
            await self._ingest.flush()
        return await sums(self.store)

    async def _peaks(self) -> list[Any]:
        return [*await peaks(self.store)]

    async def _lifetime(self) -> dict[str, float]:
        return await lifetime(self.store)

    async def _models(self) -> dict[str, Any]:
        stored = await self._readable()
        return await asyncio.to_thread(studio_models, self._settings.models_dir, stored)

    def _daemons(self) -> Daemons:
        mine = wire.Daemon(pid=os.getpid(), version=__version__, started_at=self._started_at)
        return Daemons(
            controller=lambda: _aged(mine), gateway=lambda: _aged(self.link.gateway), probe=lambda: _aged(self._gpu.daemon),
            inflight=lambda: self.link.inflight, waiting=lambda: self.link.waiting,
        )


D = TypeVar("D", bound=wire.Daemon)


def _aged(daemon: D) -> D:
    """How long it has run, as of now."""
    return msgspec.structs.replace(daemon, age_s=identity.age(daemon.pid) if daemon.pid else 0.0)
