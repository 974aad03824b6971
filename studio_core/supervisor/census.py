"""Which engines run on this machine that are not ours. It only reads /proc: nothing here can signal anybody.

A scan reads one short file per process, and the command line only of those that are new or have exec'ed since. Whose port it
is, is proven from the kernel's own tables; what the command line says of it is only where to look first.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from studio_core.engines.fingerprint import Fingerprint, identify
from studio_core.supervisor import port
from studio_core.supervisor.port import Listener
from studio_core.supervisor.tree import MARK

# A process as (pid, start ticks): no other is mistaken for it.
Identity = tuple[int, int]
# How a port was proven: a process of the engine's tree holds the socket; or, of another user's engine, whose files the kernel
# does not show, the socket's owner is the process's.
TREE, OWNER = "tree", "owner"
ARGV_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Place:
    """Where an engine listens, and how that is known."""

    host: str
    port: int
    by: str


@dataclass(frozen=True, slots=True)
class Engine:
    """A running engine. `pids` is its tree; `place` is None while it has no proven listener, `note` says what is odd."""

    pid: int
    ticks: int
    print: Fingerprint
    uid: int
    owner: str
    pids: frozenset[int]
    place: Place | None = None
    note: str = ""

    @property
    def identity(self) -> Identity:
        return self.pid, self.ticks


@dataclass(frozen=True, slots=True)
class _Process:
    """A line of /proc/PID/stat. `mark` changes when the process executes another program."""

    ticks: int
    parent: int
    mark: tuple[bytes, bytes]


class Census:
    """`ours(candidates)` tells which of some processes belong to instances of this Studio. Blocking: scan in a thread."""

    def __init__(self, ours: Callable[[Collection[Identity]], Collection[Identity]]) -> None:
        self._ours = ours
        self._known: dict[int, tuple[_Process, Fingerprint | None]] = {}
        self._foreign: dict[Identity, Engine] = {}

    def scan(self) -> list[Engine]:
        """Every foreign engine, the oldest first."""
        table = _processes()
        self._known = {pid: self._identified(pid, one) for pid, one in table.items()}
        candidates = {(pid, one.ticks): found for pid, (one, found) in self._known.items() if found is not None}
        fresh = [one for one in candidates if one not in self._foreign]
        strangers = set(candidates) - set(self._ours(fresh) if fresh else ())
        tops = [one for one in sorted(strangers, key=lambda one: one[1]) if not _below(one[0], strangers, table)]
        sockets = port.listeners() if tops else {}
        children = _children(table) if tops else {}
        self._foreign = {
            one: _described(one, candidates[one], _tree(one[0], children), self._foreign.get(one), sockets) for one in tops
        }
        return list(self._foreign.values())

    def _identified(self, pid: int, now: _Process) -> tuple[_Process, Fingerprint | None]:
        before = self._known.get(pid)
        if before is not None and before[0].ticks == now.ticks and before[0].mark == now.mark:
            return now, before[1]
        return now, _proven(pid, identify(_argv(pid)))


def _processes() -> dict[int, _Process]:
    found = {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", "rb", buffering=0) as file:
                text = file.read()
        except OSError:
            continue
        comm, _, rest = text.rpartition(b")")
        fields = rest.split()
        # proc(5) numbers the fields from 1; the state is the third. The 48th, arg_start, is 0 of a process we may not look into.
        found[int(name)] = _Process(int(fields[19]), int(fields[1]), (comm, fields[45]))
    return found


def _argv(pid: int) -> list[str]:
    try:
        with open(f"/proc/{pid}/cmdline", "rb", buffering=0) as file:
            text = file.read(ARGV_BYTES)
    except OSError:
        return []
    return text.decode("utf-8", "replace").rstrip("\0").split("\0") if text else []


def _proven(pid: int, found: Fingerprint | None) -> Fingerprint | None:
    """None when the files are not there that an engine's script has beside it, or cannot be looked for."""
    if found is None or not found.marks:
        return found
    try:
        folder = Path(os.readlink(f"/proc/{pid}/cwd")) / found.folder
    except OSError:
        folder = Path(found.folder)
    # Where we may not look nothing is proven; pathlib would raise there.
    return found if folder.is_absolute() and all(os.path.exists(folder / mark) for mark in found.marks) else None


def _children(table: Mapping[int, _Process]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for pid, one in table.items():
        found.setdefault(one.parent, []).append(pid)
    return found


def _tree(root: int, children: Mapping[int, list[int]]) -> frozenset[int]:
    found, rest = {root}, [root]
    while rest:
        for child in children.get(rest.pop(), ()):
            if child not in found:
                found.add(child)
                rest.append(child)
    return frozenset(found)


def _below(pid: int, engines: Collection[Identity], table: Mapping[int, _Process]) -> bool:
    """Whether an ancestor is an engine too: a forked child has its parent's command line."""
    pids, seen = {one[0] for one in engines}, {pid}
    while (one := table.get(pid)) is not None and one.parent not in seen:
        if one.parent in pids:
            return True
        pid = one.parent
        seen.add(pid)
    return False


def _described(
    one: Identity, found: Fingerprint, pids: frozenset[int], before: Engine | None, sockets: Mapping[str, Listener]
) -> Engine:
    base = before if before is not None else _introduced(one, found)
    return replace(base, print=found, pids=pids, place=_place(pids, found.expected_port, base.uid, sockets))


def _introduced(one: Identity, found: Fingerprint) -> Engine:
    """What does not change in a process's life."""
    uid = _uid(one[0])
    return Engine(one[0], one[1], found, uid, _name(uid), frozenset(), note=_note(one[0]))


def _place(pids: frozenset[int], expected: int, uid: int, sockets: Mapping[str, Listener]) -> Place | None:
    """Of the sockets that the tree holds the expected port's, or the only one. Nothing is believed that is not proven."""
    held = [port.sockets(pid) for pid in pids]
    mine = {inode: sockets[inode] for some in held if some for inode in some if inode in sockets}
    by = TREE
    if not mine and None in held:
        mine, by = {inode: one for inode, one in sockets.items() if one.uid == uid and one.port == expected}, OWNER
    numbers = {one.port for one in mine.values()}
    number = expected if expected in numbers else next(iter(numbers)) if len(numbers) == 1 else None
    for one in sorted(mine.values(), key=lambda one: len(one.address)):
        if one.port == number and _reached(one, mine, sockets):
            return Place(one.host, one.port, by)
    return None


def _reached(one: Listener, mine: Mapping[str, Listener], sockets: Mapping[str, Listener]) -> bool:
    """Whether whoever connects there reaches it: another's socket on the address itself would go before one on any address."""
    host = one.host
    rivals = [other for inode, other in sockets.items() if other.port == one.port and inode not in mine]
    return not any(other.host == host and other.address.strip("0") for other in rivals)


def _uid(pid: int) -> int:
    """The real user: the folder in /proc belongs to root for a process that may not be looked into. -1 when it is gone."""
    try:
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("Uid:"))
    except (OSError, StopIteration):
        return -1


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except (KeyError, OverflowError):
        return f"uid {uid}"


def _note(pid: int) -> str:
    """What a person should know of it before he touches it."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            marks = [word for word in file.read().split(b"\0") if word.startswith(f"{MARK}=".encode())]
        if marks:
            return f"another Studio runs it as {marks[0].decode('utf-8', 'replace').partition('=')[2][:100]}"
        if os.readlink(f"/proc/{pid}/ns/net") != os.readlink("/proc/self/ns/net"):
            return "in a container: its port is another network's"
    except OSError:
        return ""
    return ""
