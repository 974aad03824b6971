"""How soon Studio is whole again after a kill -9 of one of its daemons; nobody helps but the daemons themselves."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from studio_core import wire
from studio_core.bench.figure import Row
from studio_core.bench.launch import scripted
from studio_core.bench.premises import Premises, premises, until
from studio_core.errors import StudioError

ROUNDS = 20
ADOPTED_S, ACCEPTING_S = 2.0, 1.0


def measure() -> list[Row]:
    """The longest of ROUNDS, in seconds from the signal: a figure of which one may be late is no promise."""
    with premises() as home, tempfile.TemporaryDirectory() as folder:
        home.client.put_recipe(scripted(Path(folder)))
        engine = home.launch("scripted").engine_pid
        adopted = [_adopted(home, engine) for _ in range(ROUNDS)]
        accepting = [_accepting(home) for _ in range(ROUNDS)]
        if home.client.instances()[0].engine_pid != engine:
            raise StudioError("the engine did not survive", f"pid {engine}")
    return [
        _row("survival: controller killed, engine adopted", adopted, ADOPTED_S),
        _row("survival: gateway killed, accepting again", accepting, ACCEPTING_S),
    ]


def _row(name: str, seconds: list[float], aim: float) -> Row:
    within = sum(one <= aim for one in seconds)
    return Row(name, max(seconds), "s", aim, f"the longest; {within} of {len(seconds)} within {aim:g} s")


def _adopted(home: Premises, engine: int | None) -> float:
    """Until another controller answers and has the engine as ready."""
    killed = home.client.status().controller.pid

    def adopted() -> bool:
        found = _status(home)
        if found is None or found.controller.pid == killed:
            return False
        return [(one.engine_pid, one.state) for one in found.instances] == [(engine, "ready")]

    took = _after_kill(killed, adopted, "the engine is adopted")
    until(lambda: home.client.status().gateway.connected, "the gateway is linked again")
    return took


def _accepting(home: Premises) -> float:
    """Until a new connection is answered by another gateway."""
    killed = home.client.status().gateway.pid
    took = _after_kill(killed, lambda: _healthy(home.settings.port), "the gateway answers")
    until(lambda: (found := home.client.status().gateway).connected and found.pid != killed, "another gateway is linked")
    return took


def _after_kill(pid: int | None, happened: Callable[[], bool], what: str) -> float:
    if pid is None:
        raise StudioError("a daemon does not run", what)
    os.kill(pid, signal.SIGKILL)
    began = time.monotonic()
    until(happened, what)
    return time.monotonic() - began


def _status(home: Premises) -> wire.Status | None:
    with contextlib.suppress(StudioError):
        return home.client.status()
    return None


def _healthy(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
        connection.request("GET", "/health")
        return connection.getresponse().status == http.client.OK
    return False
