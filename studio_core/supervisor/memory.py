"""What processes hold and have read, from /proc/PID/statm and /proc/PID/io (proc(5))."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

from studio_core.supervisor import identity

PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Usage:
    """Bytes. `resident` adds up the processes, so pages that they share count more than once; `read` came from disks."""

    resident: int = 0
    read: int = 0

    def outgrew(self, other: Usage, step: int) -> bool:
        """Whether either figure is `step` bytes beyond the other's."""
        return self.resident >= other.resident + step or self.read >= other.read + step


def usage(found: Iterable[tuple[int, int]]) -> Usage:
    """Of the processes given by pid and start ticks; those that are gone, or not ours to ask, count nothing."""
    living = [pid for pid, ticks in found if identity.alive(pid, ticks)]
    return Usage(sum(map(_resident, living)), sum(map(_read, living)))


def _resident(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * PAGE
    except OSError:
        return 0


def _read(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/io", encoding="ascii") as file:
            return next((int(line.split()[1]) for line in file if line.startswith("read_bytes:")), 0)
    except OSError:
        return 0
