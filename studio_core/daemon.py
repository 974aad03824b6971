"""Starting and finding the controller: every client may, the lock lets one win."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from studio_core import room
from studio_core.client import TIMEOUT_S, Client
from studio_core.errors import Daemonless, StateError, StudioError
from studio_core.paths import Places, daemon_environment
from studio_core.settings import BY_NAME, Settings
from studio_core.supervisor import identity

# How long a start may take, also one that somebody else began, after which silence one that has started is named, and what one
# answer may take meanwhile.
READY_S, SILENT_S, ANSWER_S = 30.0, 10.0, 2.0
PAUSE_S = 0.03
# The exit code of a controller that found the lock held.
LOCKED = 75
LOG_LINES = 5
IDENTITY = ("machine", "boot", "pidns", "pid", "ticks")


def client(settings: Settings, patience: float = TIMEOUT_S) -> Client:
    """The client for these settings: a remote address, or the owner's socket. `patience` is in seconds per answer."""
    if settings.url:
        return Client(url=settings.url, key=settings.api_key, patience=patience, read_only=settings.read_only)
    return Client(Places(settings.state_dir).control_socket, patience=patience, read_only=settings.read_only)


def ensure(settings: Settings) -> Client:
    """A client whose controller answers; started, detached, when there is none.

    Raises:
        StateError: the state directory cannot be used. Daemonless: it did not come up; says what its log says.
    """
    found = client(settings)
    if settings.url or answers(settings):
        return found
    places = Places(settings.state_dir)
    places.create()
    places.down.unlink(missing_ok=True)
    log = places.logs / "controller.log"
    start = log.stat().st_size if log.exists() else 0
    process = spawn(settings)
    began, told = time.monotonic(), 0.0
    while not answers(settings):
        code, now = process.poll(), time.monotonic()
        if code not in (None, 0, LOCKED):
            raise _failed(log, start)
        # Another one still begins until it has told who it is; only then its silence counts.
        told = (told or now) if code == LOCKED and running(places) else 0.0
        if now - told > SILENT_S if told else now - began > READY_S:
            raise silent(places) or Daemonless(
                "the controller did not come up", f"within {READY_S:.0f} s", f"see {log}"
            )
        time.sleep(PAUSE_S)
    if process.poll() is None:
        # It outlives us: its end is not ours to wait for.
        process.returncode = 0
    return found


def answers(settings: Settings) -> bool:
    """Whether the controller of these settings answers soon."""
    try:
        client(settings, ANSWER_S).status()
    except StudioError:
        return False
    return True


def given(settings: Settings) -> dict[str, str]:
    """What the command line set and a controller has to be told, as it is written there. Secrets never are."""
    found = {}
    for name, origin in settings.origins.items():
        value = settings.values[name]
        if origin == "command line" and not BY_NAME[name].client and not BY_NAME[name].secret:
            found[name] = ",".join(value) if isinstance(value, tuple) else str(value)
    return found


def spawn(settings: Settings) -> subprocess.Popen[bytes]:
    """Exec a controller in a session of its own; its output goes to its log."""
    places = Places(settings.state_dir.absolute())
    argv = [sys.executable, "-m", "studio_core.controller", "--state", str(places.root)]
    for name, text in given(settings).items():
        argv += ["--set", f"{name}={text}"]
    log = os.open(places.logs / "controller.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        return subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd="/", env=daemon_environment()
        )
    finally:
        os.close(log)


def running(places: Places) -> dict[str, Any] | None:
    """`controller.json` of a controller that lives here, whether it answers or not."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        found: dict[str, Any] = json.loads(places.controller_json.read_text(encoding="utf-8"))
        if identity.ProcessId(*(found[name] for name in IDENTITY)) == identity.here(found["pid"]):
            return found if identity.alive(found["pid"], found["ticks"]) else None
    return None


def holder(path: Path) -> tuple[int, int] | None:
    """Pid and start ticks of who holds the flock on a file of ours, read from outside: nothing is locked to find out."""
    try:
        lock = path.stat()
        rows = [line.split() for line in Path("/proc/locks").read_text(encoding="ascii").splitlines()]
    except OSError:
        return None
    # proc(5): number, FLOCK, ADVISORY, WRITE, pid, major:minor:inode, start, end.
    pids = {int(row[4]) for row in rows if row[1] == "FLOCK" and row[5].endswith(f":{lock.st_ino}")}
    for pid in pids:
        ticks = identity.ticks(pid)
        if ticks is not None and _has_open(pid, lock):
            return pid, ticks
    return None


def _has_open(pid: int, file: os.stat_result) -> bool:
    """The inode of a lock alone may be another file system's."""
    with contextlib.suppress(OSError):
        for name in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                if os.path.samestat(os.stat(f"/proc/{pid}/fd/{name}"), file):
                    return True
    return False


def replace(places: Places) -> None:
    """End the controller that holds the lock, by its identity. Engines and gateway go on.

    Raises:
        StateError: it is somebody else's, or does not end.
    """
    found = holder(places.controller_lock)
    if found is None:
        return
    for number, patience in ((signal.SIGTERM, 10.0), (signal.SIGKILL, 5.0)):
        try:
            identity.signal(*found, number)
        except PermissionError:
            break
        deadline = time.monotonic() + patience
        while identity.alive(*found) and time.monotonic() < deadline:
            time.sleep(PAUSE_S)
        if not identity.alive(*found):
            return
    raise StateError(f"the controller (pid {found[0]}) cannot be ended", "", f"as its owner: kill -9 {found[0]}")


def gateway_lives(places: Places) -> bool:
    """Whether any gateway of this state directory runs: each holds the lock of its journal for life."""
    return any(holder(lock) for lock in places.journal.glob("*.lock"))


def silent(places: Places) -> Daemonless | None:
    """The error that names a controller which holds the lock and does not answer; None when nobody holds it."""
    found = holder(places.controller_lock)
    if found is None:
        return None
    return Daemonless(f"the controller (pid {found[0]}) does not answer", "", "end it, engines go on: studio up --replace")


def _failed(log: Path, start: int) -> StudioError:
    """What it said at its end; `start` is where its part of the log begins. On a full disk it can say nothing there."""
    said: list[str] = []
    with contextlib.suppress(OSError):
        said = log.read_bytes()[start:].decode("utf-8", "replace").split("\n")
    errors = [line.removeprefix("error: ") for line in said if line.startswith("error: ")]
    if not errors and room.is_scarce(log.parent):
        return room.full(log.parent.parent, "the controller did not start")
    last = [line.strip() for line in said if line.strip()][-LOG_LINES:]
    return Daemonless("the controller did not start", (errors or [" | ".join(last) or "it said nothing"])[-1], f"see {log}")
