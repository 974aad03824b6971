"""The control API for tests: real store, supervisor and sockets. Only a gateway is missing: nothing is ever in flight."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from studio_core import wire
from studio_core.chat.turn import Turns
from studio_core.controller.app import build
from studio_core.controller.herald import Herald
from studio_core.controller.server import Server
from studio_core.controller.services import Daemons, Figures, Services
from studio_core.events import Hub
from studio_core.gateway.table import Ask, Told
from studio_core.gpu.watch import GpuWatch
from studio_core.metrics.exporter import Exporter
from studio_core.metrics.meter import Meter
from studio_core.metrics.recorder import Recorder
from studio_core.models.discovery import studio_models
from studio_core.paths import Places
from studio_core.routes import PRINCIPAL_HEADER
from studio_core.settings import load
from studio_core.store.chat import ChatTable
from studio_core.store.key import KeyTable
from studio_core.store.launch import LaunchTable
from studio_core.store.recipe import RecipeTable
from studio_core.store.request import used
from studio_core.store.sample import SampleTable
from studio_core.store.store import Store
from studio_core.store.takeover import takeover
from studio_core.supervisor.departure import Traffic
from studio_core.supervisor.foreign import Foreigners
from studio_core.supervisor.job import Jobs
from studio_core.supervisor.service import Supervisor
from studio_core.supervisor.surroundings import Surroundings
from studio_core.usage.sums import lifetime, peaks, sums
from tests import free

RECIPE = {"id": "tiny", "name": "Tiny", "backend": "llamacpp", "model_path": "/nowhere/tiny.gguf", "tp": 2, "mystery": "kept"}


async def silence(line: Ask) -> list[Told]:
    """No gateway, no answer."""
    return []


class IdleDoor:
    """No gateway: nothing is ever in flight."""

    async def drained(self, instance_id: str, timeout: float) -> bool:
        return True

    def traffic(self, instance_id: str, recipe_id: str) -> Traffic:
        return Traffic()


@dataclass
class Control:
    """The running API: `owner` and `guest(scopes)` are HTTP clients of its two sockets."""

    services: Services
    owner: httpx.AsyncClient
    stopped: list[bool] = field(default_factory=list)

    @contextlib.asynccontextmanager
    async def guest(self, *scopes: str) -> AsyncIterator[httpx.AsyncClient]:
        principal = json.dumps({"kind": "key", "id": "k-1", "scopes": list(scopes), "peer": "127.0.0.1"})
        async with client(self.services.places.gateway_socket, {PRINCIPAL_HEADER: principal}) as guest:
            yield guest


def client(path: Path, headers: Mapping[str, str] | None = None) -> httpx.AsyncClient:
    transport = httpx.AsyncHTTPTransport(uds=str(path))
    return httpx.AsyncClient(transport=transport, base_url="http://studio", headers=dict(headers or {}), timeout=20)


@contextlib.asynccontextmanager
async def control(root: Path, **overrides: Any) -> AsyncIterator[Control]:
    """Start everything in `root`, and end it again."""
    settings = load({"data_dir": str(root), "inference_port": free.port(), **overrides}, environ={})
    places = Places(root)
    os.chmod(root, 0o700)
    places.create()
    store = Store(settings.database)
    await store.start()
    stopped: list[bool] = []
    dirty = asyncio.Event()
    services = assemble(settings, places, store, stopped, dirty)
    herald = Herald(services)
    servers = [
        Server(build(services, owner=True), places.control_socket),
        Server(build(services, owner=False), places.gateway_socket),
    ]
    await services.supervisor.start()
    await herald.start()
    for server in servers:
        await server.start()
    relay = asyncio.create_task(_relay(dirty, herald))
    try:
        async with client(places.control_socket) as owner:
            yield Control(services, owner, stopped)
    finally:
        relay.cancel()
        services.hub.close()
        await asyncio.gather(*(server.stop() for server in servers))
        await herald.stop()
        await services.supervisor.evict(force=True)
        await services.supervisor.stop()
        await store.stop()


async def _relay(dirty: asyncio.Event, herald: Herald) -> None:
    while True:
        await dirty.wait()
        dirty.clear()
        herald.changed()


def assemble(settings: Any, places: Places, store: Store, stopped: list[bool], dirty: asyncio.Event) -> Services:
    """The services around a store."""
    recipes, chats = RecipeTable(store), ChatTable(store)

    async def over(*_: Any) -> None:
        return None

    async def changed() -> None:
        dirty.set()

    async def models() -> Mapping[str, Any]:
        return await asyncio.to_thread(studio_models, settings.models_dir, [])

    async def names() -> list[str]:
        return []

    foreign = Foreigners(places.attached, set, names, dirty.set)
    around = Surroundings(places=places, settings=settings, changed=dirty.set, memory_held=lambda _: False)
    hub, supervisor = Hub(), Supervisor(around, recipes.usable, IdleDoor(), over)
    meter = Meter(supervisor.keepers, lambda: (0, 0), lambda found: hub.publish("metrics", wire.to_builtins(found)))
    return Services(
        settings=settings, places=places, recipes=recipes, chats=chats, launches=LaunchTable(store),
        supervisor=supervisor, hub=hub,
        gpu=GpuWatch(settings, places, lambda _: None, lambda _: None),
        meter=meter, recorder=Recorder(SampleTable(store)),
        turns=Turns(chats, lambda: f"http://127.0.0.1:{settings.port}", lambda: "sk-test"),
        figures=Figures(partial(sums, store), partial(peaks, store), partial(lifetime, store), partial(used, store)),
        daemons=Daemons(
            lambda: wire.Daemon(pid=os.getpid()), wire.Gateway, wire.Daemon, dict, dict
        ),
        exporter=Exporter(), jobs=Jobs(places), models=models, foreign=foreign, ask=silence,
        takeover=partial(takeover, store), changed=changed, shutdown=stopped.append, notices=list,
        restart=lambda: stopped.append(False), keys=KeyTable(store),
    )
