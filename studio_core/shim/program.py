"""Start of the shim: leave the controller, take the lock, become the reaper, run the loop."""

from __future__ import annotations

import fcntl
import os
import sys
from pathlib import Path

from studio_core.shim import process
from studio_core.shim.loop import Shim
from studio_core.supervisor import spec as specs


def main(folder: Path) -> None:
    """Never returns. Exits 0 when the tree is empty, or at once when the spec was revoked (its lock is held)."""
    detach(folder)
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os._exit(0)
    process.become_subreaper()
    Shim(folder, specs.read(folder)).run()
    sys.stdout.flush()
    os._exit(0)


def detach(folder: Path) -> None:
    """A second fork in a session of its own: whoever started us is not our parent and can neither stop nor wait for us."""
    if os.fork():
        os._exit(0)
    os.setsid()
    if os.fork():
        os._exit(0)
    os.umask(0o077)
    os.chdir("/")
    null = os.open("/dev/null", os.O_RDONLY)
    complaints = os.open(folder / "shim.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(null, 0)
    os.dup2(complaints, 1)
    os.dup2(complaints, 2)
    os.close(null)
    os.close(complaints)
