"""Tests marked `alone` have the machine to themselves also where workers run others side by side (`pytest -n`).

All workers of a run share two locked files. Each test holds the floor, together with others or, to be alone, by itself. It gets
there through a gate, where one that waits for an empty floor keeps the others back.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# What all workers of one run have in common; not set where there are none.
RUN = "PYTEST_XDIST_TESTRUNUID"


@contextmanager
def taken(alone: bool) -> Iterator[None]:
    if RUN not in os.environ:
        yield
        return
    gate, floor = (os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600) for path in _paths())
    try:
        fcntl.flock(gate, fcntl.LOCK_EX)
        fcntl.flock(floor, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        fcntl.flock(gate, fcntl.LOCK_UN)
        yield
    finally:
        for one in (floor, gate):
            # Closing alone would leave it to what a test has forked.
            fcntl.flock(one, fcntl.LOCK_UN)
            os.close(one)


def leave() -> None:
    """This worker has run its last test."""
    if RUN in os.environ:
        for path in _paths():
            path.unlink(missing_ok=True)


def _paths() -> tuple[Path, Path]:
    folder, run = Path(tempfile.gettempdir()), os.environ[RUN]
    return folder / f"studio-tests-{run}.gate", folder / f"studio-tests-{run}.floor"
