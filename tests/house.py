"""A whole Studio in a folder of its own: real controller, gateway, shims and probe, with scripted or real engines."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import stat
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil

from studio_core import daemon, settings, wire
from studio_core.client import Client
from studio_core.errors import StudioError
from studio_core.paths import Places
from tests import free
from tests.wait import PATIENCE_S, wait_until

SCRIPT = Path(__file__).parent / "engines" / "scripted.py"


class House:
    """One state directory and what runs in it."""

    def __init__(self, root: Path, **overrides: Any) -> None:
        root.chmod(0o700)
        self.root = root
        self.port = free.port()
        self.overrides = {"data_dir": str(root), "port": self.port, "inference_port": free.port(), **overrides}
        self.settings = settings.load(self.overrides, {"HOME": str(root)})
        self.places = Places(root)
        self.client = Client(self.places.control_socket)

    def up(self) -> None:
        daemon.ensure(self.settings)
        wait_until(lambda: self.status().gateway.connected, what="the gateway is linked")

    def status(self, patience_s: float = PATIENCE_S) -> wire.Status:
        """As soon as a controller answers: one that begins takes a busy machine's interpreters a while."""

        def ask() -> wire.Status | None:
            with contextlib.suppress(StudioError):
                return self.client.status()
            return None

        found = wait_until(ask, patience_s, what="a controller answers")
        assert found is not None
        return found

    def recipe(self, name: str, fields: Mapping[str, Any] | None = None, **switches: Any) -> None:
        """A recipe that runs the scripted engine with these switches, and these fields."""
        binary = self.root / "engine"
        if not binary.exists():
            binary.write_text(f"#!/bin/sh\nexec {sys.executable} {SCRIPT} \"$@\"\n")
            binary.chmod(binary.stat().st_mode | stat.S_IXUSR)
        model = self.root / "model.gguf"
        model.write_bytes(b"GGUF and nothing else")
        self.client.put_recipe({
            "id": name, "backend": "llamacpp", "model_path": str(model), "binary": str(binary), "grace_s": 2.0,
            "env_vars": {"SCRIPT": json.dumps(switches)}, **(fields or {}),
        })

    def launch(self, name: str) -> wire.Instance:
        """Until it is ready."""
        launch = self.client.launch(name, wait=True)
        assert launch.state == "ready", launch
        return self.instance(name)

    def instance(self, name: str) -> wire.Instance:
        return next(one for one in self.status().instances if one.recipe_id == name)

    def route(self, name: str) -> dict[str, Any]:
        """What the gateway has written down of a recipe: what it was told, a moment later."""
        table = json.loads(self.places.table.read_text(encoding="utf-8"))
        return next(dict(route) for route in table["routes"] if route["recipe"] == name)

    def active(self, name: str) -> bool:
        """Whether the gateway sends requests for it to an engine."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/v1/models/{name}", timeout=60) as answer:
            return bool(json.load(answer)["active"])

    def ask(self, model: str, stream: bool = False, **fields: Any) -> Any:
        """An open answer of the gateway, to be read."""
        body = {"model": model, "stream": stream, "messages": [{"role": "user", "content": "hello"}], **fields}
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/v1/chat/completions", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        try:
            return urllib.request.urlopen(request, timeout=60)
        except urllib.error.HTTPError as error:
            # Read and closed here: an error that is kept holds its socket, and some later test would be told of it.
            with error:
                told = io.BytesIO(error.read())
            raise urllib.error.HTTPError(error.url, error.code, error.msg, error.headers, told) from None

    def kill_controller(self) -> int:
        pid = self.status().controller.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        return pid

    def replace_controller(self) -> None:
        """Kill it; returns when the gateway has started another one."""
        killed = self.kill_controller()
        wait_until(lambda: self.status().controller.pid != killed)

    def processes(self) -> list[psutil.Process]:
        """Every process whose command line or environment names this house."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.pid != os.getpid() and str(self.root) in " ".join([*process.cmdline(), *process.environ().values()]):
                    found.append(process)
        return found

    def down(self) -> None:
        """Nothing may be left; what is, is ended and named."""
        with contextlib.suppress(StudioError):
            if self.processes():
                # A test may have failed while a killed controller was not back yet: as `studio down` does, one ends the rest.
                daemon.ensure(self.settings)
            self.places.down.touch()
            self.client.shutdown(engines=True)
        self.places.down.touch()
        try:
            wait_until(lambda: not self.processes(), timeout=60.0)
        except AssertionError:
            left = self.processes()
            names = [(process.pid, process.cmdline()) for process in left]
            for process in left:
                process.kill()
            raise AssertionError(f"left behind: {names}") from None


@contextlib.contextmanager
def house(root: Path, **overrides: Any) -> Iterator[House]:
    """A house that is up; afterwards it is down and nothing of it is left."""
    one = House(root, **overrides)
    try:
        one.up()
        yield one
    finally:
        one.down()
