"""Start of the shim: leave the controller, take the lock, become the reaper, run the loop."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import NoReturn

from studio_core.shim import process
from studio_core.shim.loop import Shim
from studio_core.supervisor import record as records
from studio_core.supervisor import scope
from studio_core.supervisor import spec as specs

# Somebody who only asks whether we live holds our lock for a moment.
PATIENCE_S = 0.2


def main(folder: Path) -> None:
    """Never returns. Exits when the tree is empty, or soon when the spec was revoked or its lock is held.

    Until the first record is written, complaints go to whoever started us; its end of file tells that we are on our own.
    """
    detach()
    deadline = time.monotonic() + PATIENCE_S
    # The descriptor stays open, and with it the lock held, for as long as we live.
    while records.lock(folder) is None:
        if time.monotonic() > deadline:
            complain("somebody else holds the lock of this start, or it was revoked")
        time.sleep(0.01)
    process.become_subreaper()
    scope.enter(f"studio-engine-{folder.name}")
    try:
        shim = Shim(folder, specs.read(folder))
        shim.announce()
        settle(folder)
    except (OSError, ValueError) as error:
        complain(str(error))
    shim.run()
    os._exit(0)


def complain(text: str) -> NoReturn:
    sys.stderr.write(text)
    sys.stderr.flush()
    os._exit(1)


def detach() -> None:
    """A second fork in a session of its own: whoever started us is not our parent and can neither stop nor wait for us."""
    if os.fork():
        os._exit(0)
    os.setsid()
    if os.fork():
        os._exit(0)
    os.umask(0o077)
    os.chdir("/")


def settle(folder: Path) -> None:
    """From here on what we have to complain about goes to a file of our own."""
    complaints = os.open(folder / "shim.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(complaints, 1)
    os.dup2(complaints, 2)
    os.close(complaints)
