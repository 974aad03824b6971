"""Starting and finding the controller: every client may, the lock lets one win."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import Any

from studio_core.client import Client
from studio_core.errors import Daemonless, StateError, StudioError
from studio_core.paths import Places, daemon_environment
from studio_core.settings import Settings
from studio_core.supervisor import identity

READY_S = 15.0
PAUSE_S = 0.03
LOG_LINES = 5


def client(settings: Settings) -> Client:
    """The client for these settings: a remote address, or the owner's socket."""
    if settings.url:
        return Client(url=settings.url, key=settings.api_key)
    return Client(Places(settings.state_dir).control_socket)


def ensure(settings: Settings, overrides: Mapping[str, Any] | None = None) -> Client:
    """A client whose controller answers; started, detached, when there is none, with what the command line chose.

    Raises:
        StateError: the state directory cannot be used. Daemonless: it did not come up; says what its log says.
    """
    found = client(settings)
    if settings.url or answers(found):
        return found
    places = Places(settings.state_dir)
    places.create()
    places.down.unlink(missing_ok=True)
    process = spawn(places, chosen(settings) if overrides is None else overrides)
    deadline = time.monotonic() + READY_S
    while not answers(found):
        if process.poll() is not None and process.returncode not in (0, 75):
            raise _failed(places)
        if time.monotonic() > deadline:
            raise _silent(places)
        time.sleep(PAUSE_S)
    if process.poll() is None:
        # It outlives us: its end is not ours to wait for.
        process.returncode = 0
    return found


def chosen(settings: Settings) -> dict[str, Any]:
    """What the command line said: the controller reads all other sources by itself."""
    return {name: settings.values[name] for name, origin in settings.origins.items() if origin == "command line"}


def answers(found: Client) -> bool:
    try:
        found.status()
    except StudioError:
        return False
    return True


def spawn(places: Places, overrides: Mapping[str, Any]) -> subprocess.Popen[bytes]:
    """Exec a controller in a session of its own; its output goes to its log."""
    argv = [sys.executable, "-m", "studio_core.controller", "--state", str(places.root)]
    for name, value in overrides.items():
        if name != "data_dir":
            argv += ["--set", f"{name}={value}"]
    log = os.open(places.logs / "controller.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        return subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd="/", env=daemon_environment()
        )
    finally:
        os.close(log)


def running(places: Places) -> dict[str, Any] | None:
    """`controller.json` of a controller that lives, whether it answers or not."""
    with contextlib.suppress(OSError, ValueError):
        found: dict[str, Any] = json.loads(places.controller_json.read_text(encoding="utf-8"))
        if identity.alive(found["pid"], found["ticks"]):
            return found
    return None


def replace(places: Places) -> None:
    """End the controller that holds the lock, by its identity. Engines and gateway go on."""
    found = running(places)
    if found is None:
        return
    for number, patience in ((signal.SIGTERM, 10.0), (signal.SIGKILL, 5.0)):
        identity.signal(found["pid"], found["ticks"], number)
        deadline = time.monotonic() + patience
        while identity.alive(found["pid"], found["ticks"]):
            if time.monotonic() > deadline:
                break
            time.sleep(PAUSE_S)
        else:
            return
    raise StateError(f"the controller (pid {found['pid']}) cannot be ended", "", "see: ps")


def _failed(places: Places) -> Daemonless:
    with contextlib.suppress(OSError):
        lines = (places.logs / "controller.log").read_text(encoding="utf-8", errors="replace").splitlines()
        said = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
        return Daemonless("the controller did not start", (said or lines[-LOG_LINES:] or ["its log is empty"])[-1])
    return Daemonless("the controller did not start")


def _silent(places: Places) -> Daemonless:
    found = running(places)
    if found is None:
        return Daemonless("the controller did not come up", f"within {READY_S:.0f} s", f"see {places.logs}/controller.log")
    return Daemonless(f"the controller (pid {found['pid']}) does not answer", "", "end it: studio up --replace")
