"""Every process of an instance, however it hides, and how to end them all. Standard library only: the shim uses it.

The tree is a union, because no single trait is enough: children that left the session, that were orphaned, that wiped
their environment by renaming themselves (setproctitle), or that closed the log pipe are each found by another trait.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

from studio_core.supervisor import identity
from studio_core.supervisor.record import GONE, Record

MARK = "STUDIO_INSTANCE"
# Python's multiprocessing starts `python -c "from multiprocessing.resource_tracker import main;main(31)"` (3.8 to 3.14; joblib's
# is alike). It ignores SIGTERM, and when the last process that may use its resources has died, it unlinks what those left in
# /dev/shm and ends: seen within 0.4 s after vLLM 0.32.0, which leaves 400 MiB behind when the tracker is killed as well.
TRACKER = b"resource_tracker import main"
TRACKER_S = 1.0


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
    """By what members of an instance are known. `root` is the caller itself when it is their subreaper.

    `session` is its id with the start ticks of the process that made it: the number alone may be another's by now.
    """

    instance: str
    root: int | None = None
    session: tuple[int, int] | None = None
    log_pipe: int | None = None
    seen: Collection[tuple[int, int]] = ()


def traits(instance: str, record: Record | None) -> Traits:
    """The traits that a record holds; without a record only the mark in the environment is known."""
    if record is None:
        return Traits(instance)
    if record.state == GONE or record.session is None:
        # The shim saw the tree empty, so session and pipe are free to be somebody else's.
        return Traits(instance, seen=record.seen)
    return Traits(instance, None, (record.session, record.engine_ticks or 0), record.log_pipe, record.seen)


def processes() -> dict[int, Member]:
    """Every process of this pid namespace."""
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit() and (fields := identity.stat_fields(int(name))) is not None:
            found[int(name)] = Member(int(name), int(fields[19]), int(fields[1]), int(fields[3]), fields[0])
    return found


def members(instance: str, record: Record | None) -> list[Member]:
    """The living processes of an instance by its record, without the shim."""
    shim = [(record.shim_pid, record.shim_ticks)] if record is not None else []
    return find(traits(instance, record), exclude=shim)


def find(by: Traits, exclude: Collection[tuple[int, int]] = ()) -> list[Member]:
    """The living processes that any trait names, and all descendants of those. Zombies count as dead."""
    table, seen = processes(), frozenset(by.seen)
    found = {
        pid for pid, one in table.items()
        if (pid, one.ticks) in seen or _in_session(one, by, table) or _bears(pid, by)
    }
    if by.root is not None:
        found.add(by.root)
    found |= _descendants(found, table)
    found -= {os.getpid()}
    living = (table[pid] for pid in sorted(found) if pid in table)
    return [one for one in living if one.state not in "ZX" and (one.pid, one.ticks) not in exclude]


def _in_session(one: Member, by: Traits, table: Mapping[int, Member]) -> bool:
    """Whether it is in the engine's session, and that is still the engine's: its leader has died or is the same."""
    if by.session is None or one.session != by.session[0] or one.ticks < by.session[1]:
        return False
    leader = table.get(one.session)
    return leader is None or leader.ticks == by.session[1]


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


def describe(pid: int) -> str:
    """A process that no signal ends, for a person: pid, uid, state and what it waits for in the kernel."""
    try:
        uid = os.stat(f"/proc/{pid}").st_uid
        with open(f"/proc/{pid}/wchan", encoding="ascii", errors="replace") as file:
            channel = file.read()
    except OSError:
        return f"pid {pid}"
    fields = identity.stat_fields(pid)
    state = fields[0] if fields else "gone"
    return f"pid {pid} of uid {uid}, state {state}" + (f" in {channel}" if channel not in ("", "0") else "")


def kill(found: Iterable[Member], number: int = signal.SIGKILL) -> set[tuple[int, int]]:
    """Signal each; returns those that we may not signal, as (pid, ticks)."""
    refused = set()
    for one in found:
        try:
            identity.signal(one.pid, one.ticks, number)
        except PermissionError:
            refused.add((one.pid, one.ticks))
    return refused


def tracks(one: Member) -> bool:
    """Whether it is a resource tracker, which cleans up after the others if it outlives them."""
    try:
        with open(f"/proc/{one.pid}/cmdline", "rb") as file:
            return TRACKER in file.read()
    except OSError:
        return False


def end(
    by: Traits, exclude: Collection[tuple[int, int]] = (), patience: float = 5.0, meanwhile: Callable[[], None] = lambda: None
) -> list[int]:
    """End all but the resource trackers, give those TRACKER_S to clean up, then end what is left.

    Returns the pids that remain after `patience` seconds. `meanwhile` is called again and again: somebody has to read what the
    trackers say, or they wait for that.
    """
    deadline = time.monotonic() + patience
    _strike(by, exclude, deadline - TRACKER_S, meanwhile, tracks)
    moment = min(deadline, time.monotonic() + TRACKER_S)
    while any(map(tracks, find(by, exclude))) and time.monotonic() < moment:
        meanwhile()
        time.sleep(0.02)
    return _strike(by, exclude, deadline, meanwhile)


def _strike(
    by: Traits, exclude: Collection[tuple[int, int]], deadline: float, meanwhile: Callable[[], None],
    spared: Callable[[Member], bool] = lambda _: False,
) -> list[int]:
    """Freeze, scan, kill, until two scans in a row are empty; returns the pids that remain at the deadline.

    Frozen processes cannot fork between scan and kill, so the scans converge. Each process is killed once: a second
    SIGKILL does nothing that the first does not. When only processes are left that we may not signal, it returns at once.
    """
    struck: set[tuple[int, int]] = set()
    refused: set[tuple[int, int]] = set()
    empty, pause = 0, 0.005

    def fresh() -> list[Member]:
        return [one for one in find(by, exclude) if not spared(one)]

    while empty < 2:
        found = fresh()
        refused |= kill((one for one in found if (one.pid, one.ticks) not in struck | refused), signal.SIGSTOP)
        doomed = [one for one in fresh() if (one.pid, one.ticks) not in struck | refused] if found else []
        refused |= kill(doomed)
        struck |= {(one.pid, one.ticks) for one in doomed} - refused
        empty = 0 if found else empty + 1
        if found and (time.monotonic() > deadline or refused.issuperset((one.pid, one.ticks) for one in found)):
            return [one.pid for one in found]
        if empty < 2:
            meanwhile()
            time.sleep(pause)
            pause = min(pause * 2, 0.2)
    return []


def sweep(instance: str, record: Record | None) -> list[int]:
    """End what a dead shim left behind; returns the pids that could not be ended. Blocks for up to 5 s."""
    return end(traits(instance, record))
