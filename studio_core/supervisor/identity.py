"""Which process is meant: machine, boot, pid namespace, pid and start ticks. Standard library only: the shim uses it."""

from __future__ import annotations

import os
import signal as signals
import time
from typing import NamedTuple

from studio_core.paths import machine_id


class ProcessId(NamedTuple):
    """A process that no other can be mistaken for, also after a reboot or when its pid is used again."""

    machine: str
    boot: str
    pidns: int
    pid: int
    ticks: int


def boot_id() -> str:
    """The kernel's random id of this boot (random(4))."""
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        return file.read().strip()


def pid_namespace() -> int:
    """The inode of our pid namespace (pid_namespaces(7))."""
    return os.stat("/proc/self/ns/pid").st_ino


def here(pid: int) -> ProcessId:
    """The identity of a process of this namespace; ticks are 0 when it is gone."""
    return ProcessId(machine_id(), boot_id(), pid_namespace(), pid, ticks(pid) or 0)


def stat_fields(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat after the name (proc(5)): index 0 is the state. None when there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            text = file.read()
    except OSError:
        return None
    return text[text.rindex(b")") + 2 :].decode("ascii").split()


def ticks(pid: int) -> int | None:
    """Start time in clock ticks since boot; None when there is no such process."""
    fields = stat_fields(pid)
    return int(fields[19]) if fields else None


def age(pid: int) -> float:
    """Seconds since a process was started, by the kernel's own clock; 0 when there is no such process."""
    start = ticks(pid)
    return time.clock_gettime(time.CLOCK_BOOTTIME) - start / os.sysconf("SC_CLK_TCK") if start is not None else 0.0


def alive(pid: int, start: int) -> bool:
    """Whether this very process runs; a zombie counts as dead."""
    fields = stat_fields(pid)
    return fields is not None and int(fields[19]) == start and fields[0] not in "ZX"


def signal(pid: int, start: int, number: int) -> bool:
    """Send a signal to this very process: open a pidfd, compare the ticks, then send. False when it is gone.

    Raises PermissionError when the process belongs to somebody else.
    """
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return False
    try:
        if ticks(pid) != start:
            return False
        signals.pidfd_send_signal(handle, number)
    except ProcessLookupError:
        return False
    finally:
        os.close(handle)
    return True
