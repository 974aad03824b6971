"""Every process of an instance, however it hides, and how to end them all. Standard library only: the shim uses it.

The tree is a union, because no single trait is enough: children that left the session, that were orphaned, that wiped
their environment by renaming themselves (setproctitle), or that closed the log pipe are each found by another trait.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from studio_core.supervisor import identity
from studio_core.supervisor.record import Record

MARK = "STUDIO_INSTANCE"


@dataclass(frozen=True)
class Member:
    """One process of a tree, from /proc/PID/stat."""

    pid: int
    ticks: int
    parent: int
    session: int
    state: str


@dataclass(frozen=True)
class Traits:
    """By what members of an instance are known. `root` is the caller itself when it is their subreaper."""

    instance: str
    root: int | None = None
    session: int | None = None
    log_pipe: int | None = None
    seen: Iterable[tuple[int, int]] = ()


def traits(instance: str, record: Record | None) -> Traits:
    """The traits that a record holds; without a record only the mark in the environment is known."""
    if record is None:
        return Traits(instance)
    return Traits(instance, None, record.session, record.log_pipe, record.seen)


def processes() -> dict[int, Member]:
    """Every process of this pid namespace."""
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit() and (fields := identity.stat_fields(int(name))) is not None:
            found[int(name)] = Member(int(name), int(fields[19]), int(fields[1]), int(fields[3]), fields[0])
    return found


def members(instance: str, record: Record | None) -> list[Member]:
    """The living processes of an instance by its record, without the shim."""
    shim = {record.shim_pid} if record is not None else set()
    return find(traits(instance, record), exclude=shim)


def find(by: Traits, exclude: Iterable[int] = ()) -> list[Member]:
    """The living processes that any trait names, and all descendants of those. Zombies count as dead."""
    table = processes()
    seen = dict(by.seen)
    found = {
        pid
        for pid, one in table.items()
        if one.session == by.session or seen.get(pid) == one.ticks or _bears(pid, by)
    }
    if by.root == os.getpid():
        found.add(by.root)
    found |= _descendants(found, table)
    found -= set(exclude) | {os.getpid()}
    return [table[pid] for pid in sorted(found) if table[pid].state not in "ZX"]


def _descendants(roots: set[int], table: Mapping[int, Member]) -> set[int]:
    by_parent: dict[int, list[int]] = {}
    for pid, one in table.items():
        by_parent.setdefault(one.parent, []).append(pid)
    found: set[int] = set()
    rest = list(roots)
    while rest:
        for child in by_parent.get(rest.pop(), ()):
            if child not in found:
                found.add(child)
                rest.append(child)
    return found


def _bears(pid: int, by: Traits) -> bool:
    """Whether the process has the instance's mark or holds its log pipe. Others' processes cannot be asked."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            if f"{MARK}={by.instance}".encode() in file.read().split(b"\0"):
                return True
        return by.log_pipe is not None and f"pipe:[{by.log_pipe}]" in _files(pid)
    except OSError:
        return False


def _files(pid: int) -> set[str]:
    found = set()
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            found.add(os.readlink(f"/proc/{pid}/fd/{name}"))
        except OSError:
            continue
    return found


def kill(found: Iterable[Member], number: int = signal.SIGKILL) -> list[int]:
    """Signal each; returns the pids that we may not signal."""
    refused = []
    for one in found:
        try:
            identity.signal(one.pid, one.ticks, number)
        except PermissionError:
            refused.append(one.pid)
    return refused


def end(by: Traits, exclude: Iterable[int] = (), patience: float = 5.0) -> list[int]:
    """Freeze, scan, kill, until two scans in a row are empty; returns the pids that remain after `patience` seconds.

    Frozen processes cannot fork between scan and kill, so the scans converge.
    """
    deadline = time.monotonic() + patience
    empty = 0
    while True:
        found = find(by, exclude)
        empty = 0 if found else empty + 1
        if empty == 2:
            return []
        kill(found, signal.SIGSTOP)
        refused = set(kill(find(by, exclude)))
        left = [one.pid for one in found]
        if time.monotonic() > deadline or (left and refused.issuperset(left)):
            return left
        time.sleep(0.01)


def sweep(instance: str, record: Record | None) -> list[int]:
    """End what a dead shim left behind; returns the pids that could not be ended. Blocks for up to 5 s."""
    return end(traits(instance, record))
