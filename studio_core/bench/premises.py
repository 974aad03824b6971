"""A Studio of its own for a measurement: fresh state directory, free ports, nothing left afterwards."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from studio_core import daemon, settings, wire
from studio_core.client import Client
from studio_core.errors import StudioError
from studio_core.paths import Places
from studio_core.settings import Settings
from studio_core.supervisor import port

FIRST_PORT = 19080
PATIENCE_S = 60.0


@dataclass(frozen=True)
class Premises:
    """A running controller and gateway; `names` are the settings that lead a command to them."""

    settings: Settings
    places: Places
    client: Client

    @property
    def names(self) -> dict[str, str]:
        chosen = ("data_dir", "port", "inference_port")
        return {settings.BY_NAME[name].variable: str(getattr(self.settings, name)) for name in chosen}

    def launch(self, recipe_id: str) -> wire.Instance:
        """Until it is ready. Raises StudioError when it is not."""
        over = self.client.launch(recipe_id, wait=True)
        if over.state != "ready":
            raise StudioError(f"{recipe_id} did not start", over.failure.title if over.failure else over.message)
        return next(one for one in self.client.instances() if one.id == over.instance_id)

    def stop(self, instance: wire.Instance) -> None:
        """Until it is gone."""
        self.client.evict(instance.id, force=True)
        until(lambda: not port.holder(instance.port), f"port {instance.port} is free")


@contextlib.contextmanager
def premises(prepare: Callable[[settings.Settings], None] = lambda _: None) -> Iterator[Premises]:
    """Started before, ended after, engines too. `prepare` may fill the state directory before."""
    root = Path(tempfile.mkdtemp(prefix="studio-bench-"))
    first = port.pick(FIRST_PORT)
    overrides = {"data_dir": str(root), "port": first, "inference_port": port.pick(first + 1)}
    chosen = settings.load(overrides)
    prepare(chosen)
    client = daemon.ensure(chosen)
    try:
        until(lambda: client.status().gateway.connected, "the gateway is linked")
        yield Premises(chosen, Places(root), client)
    finally:
        _end(Places(root), client)
        shutil.rmtree(root, ignore_errors=True)


def _end(places: Places, client: Client) -> None:
    places.down.touch()
    with contextlib.suppress(StudioError):
        gateway = client.status().gateway.pid
        client.shutdown(engines=True)
        until(lambda: daemon.running(places) is None, "the controller ends")
        until(lambda: gateway is None or not Path(f"/proc/{gateway}").exists(), "the gateway ends")


def until(happened: Callable[[], bool], what: str, patience_s: float = PATIENCE_S) -> None:
    """Wait for it; raises StudioError after a minute, or what else is given."""
    deadline = time.monotonic() + patience_s
    while not happened():
        if time.monotonic() > deadline:
            raise StudioError(f"waited {patience_s:.0f} s in vain", what)
        time.sleep(0.01)
