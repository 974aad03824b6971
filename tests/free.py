"""Ports for tests: nobody else's from the moment they are told to the moment somebody listens.

Each test process has a stretch of its own below the ports that the kernel gives to connections, by a lock that it holds for
life: two that looked for a free port at the same time would find the same one.
"""

from __future__ import annotations

import fcntl
import itertools
import os
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from studio_core.supervisor import port as ports

FIRST, STRETCH, STRETCHES = 10000, 400, 56
# Who was told one may count upward from it, as Studio does for its engines.
APART = 16


def port() -> int:
    """One that nobody listens on, and some after it."""
    return next(number for number in _numbers() if ports.is_free("0.0.0.0", number))


@cache
def _numbers() -> Iterator[int]:
    """Round and round, so that one is not told again soon."""
    first = FIRST + _stretch() * STRETCH
    return itertools.cycle(range(first, first + STRETCH, APART))


def _stretch() -> int:
    """The first that no other process has; the lock ends with this process."""
    folder = Path(tempfile.gettempdir()) / f"studio-tests-ports-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    for number in range(STRETCHES):
        handle = os.open(folder / str(number), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(handle)
        else:
            return number
    raise OSError("every stretch of ports is taken")
