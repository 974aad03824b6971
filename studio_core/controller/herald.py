"""Tells the listeners of the event hub what changed in the house, at most twenty times a second."""

from __future__ import annotations

import asyncio
import contextlib

from studio_core import wire
from studio_core.controller import view
from studio_core.controller.services import Services

PAUSE_S = 0.05
# The gateways' counts move without a change of ours; a standing status is renewed this often, as vLLM Studio did.
RENEW_S = 5.0


class Herald:
    """`changed()` may be called at any rate; `sampled()` at each sample of the GPUs."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._dirty = asyncio.Event()
        self._told: dict[str, str] = {}
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._tell()
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def changed(self) -> None:
        self._dirty.set()

    def sampled(self, sample: wire.Gpus) -> None:
        self._services.hub.publish("gpu", wire.to_builtins(sample))

    def measured(self, metrics: wire.Metrics) -> None:
        self._services.hub.publish("metrics", wire.to_builtins(metrics))

    async def _run(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(RENEW_S):
                    await self._dirty.wait()
            self._dirty.clear()
            self._tell()
            await asyncio.sleep(PAUSE_S)

    def _tell(self) -> None:
        hub = self._services.hub
        if hub.stats()["total_subscribers"]:
            self._services.foreign.glance()
        now = view.status(self._services)
        for launch in now.launches:
            mark = f"{launch.state} {launch.stage} {launch.message} {launch.progress}"
            if self._told.get(launch.id) != mark:
                self._told[launch.id] = mark
                hub.publish("launch_progress", view.progress(launch), launch.id)
        self._told = {launch.id: self._told[launch.id] for launch in now.launches}
        hub.publish("status", wire.to_builtins(now))
