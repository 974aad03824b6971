"""What the shim knows of its engine, on disk: the truth from which any controller goes on. Standard library only."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import zlib
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

PROTOCOL = 1
STARTING, RUNNING, STOPPING, CLEANING, STUCK, GONE = "starting", "running", "stopping", "cleaning", "stuck", "gone"
# Room that is kept on disk so that a record can always be written; what does not fit gives way.
SIZE = 64 * 1024
# Mode of the lock file of a spec whose shim may not start any more. A change of mode needs no room on a full disk.
LOCKABLE, REVOKED = 0o600, 0o400


@dataclass(frozen=True)
class Exit:
    """How the first process ended. Both None: unknown, which is not 0."""

    code: int | None = None
    signal: int | None = None


@dataclass
class Record:
    """`seen` are the pids of the tree with their start ticks; `log_pipe` the inode of the engine's output pipe;
    `session` the engine's session id; `left` some of those that no signal ends; `asked` whether somebody stopped it;
    `afloat` whether its container is still there, or its runtime does not say; `serial` counts the writes.
    """

    instance: str
    shim_pid: int
    shim_ticks: int
    state: str = STARTING
    engine_pid: int | None = None
    engine_ticks: int | None = None
    session: int | None = None
    log_pipe: int | None = None
    exit: Exit | None = None
    log_offset: int = 0
    log_dropped: int = 0
    seen: list[tuple[int, int]] = field(default_factory=list)
    left: list[int] = field(default_factory=list)
    afloat: bool = False
    error: str = ""
    last_lines: list[str] = field(default_factory=list)
    asked: bool = False
    started_at: float = 0.0
    exited_at: float | None = None
    serial: int = 0
    protocol: int = PROTOCOL


def encode(record: Record) -> bytes:
    """One line of JSON with a checksum before it. When it would not fit its place, last lines give way, then pids."""
    while True:
        body = json.dumps(asdict(record)).encode()
        line = b"%08x %s\n" % (zlib.crc32(body), body)
        if len(line) <= SIZE or not (record.last_lines or record.seen):
            return line
        if record.last_lines:
            record.last_lines = record.last_lines[len(record.last_lines) // 2 + 1 :]
        else:
            record.seen = record.seen[: len(record.seen) // 2]


def decode(line: bytes) -> Record | None:
    """None when the line is torn."""
    checksum, _, rest = line.partition(b" ")
    body = rest.split(b"\n", 1)[0]
    try:
        if int(checksum, 16) != zlib.crc32(body):
            return None
        return from_data(json.loads(body))
    except (ValueError, TypeError):
        return None


def from_data(data: dict[str, Any]) -> Record:
    """A record from its JSON object; unknown fields are ignored."""
    known = {one.name for one in fields(Record)}
    record = Record(**{name: value for name, value in data.items() if name in known})
    record.exit = Exit(**data["exit"]) if data.get("exit") else None
    record.seen = [(pid, start) for pid, start in record.seen]
    return record


def reserve(folder: Path) -> None:
    """Take the room on disk that later writes need when the disk is full. Raises OSError when it is full already."""
    handle = os.open(folder / "record.spare", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.posix_fallocate(handle, 0, SIZE)
    except OSError as error:
        # Some file systems cannot promise room.
        if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):
            raise
    finally:
        os.close(handle)


def write(folder: Path, record: Record) -> None:
    """Atomically through a rename; on a full disk in place, in the reserved file, guarded by the checksum."""
    record.serial += 1
    line = encode(record)
    fresh = folder / "record.json.new"
    try:
        _put(fresh, line, os.O_TRUNC)
        fresh.replace(folder / "record.json")
    except OSError:
        with suppress(OSError):
            fresh.unlink()
        _put(folder / "record.spare", line, 0)


def _put(path: Path, line: bytes, flags: int) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | flags, 0o600)
    try:
        # A disk that is nearly full takes a part and says so only by the count.
        if os.write(handle, line) < len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
    finally:
        os.close(handle)


def read(folder: Path) -> Record | None:
    """The newest whole record: either of the two files may be older, or torn by a death in the middle of a write."""
    found = [decode(_bytes(folder / name)) for name in ("record.json", "record.spare")]
    return max((one for one in found if one is not None), key=lambda one: one.serial, default=None)


def settle(folder: Path) -> None:
    """Give the reserved room back when nothing is written any more: on a full disk others need it."""
    kept, spare = decode(_bytes(folder / "record.json")), _bytes(folder / "record.spare")
    late = decode(spare)
    with suppress(OSError):
        if late is None or (kept is not None and kept.serial >= late.serial):
            (folder / "record.spare").unlink(missing_ok=True)
        else:
            os.truncate(folder / "record.spare", spare.index(b"\n") + 1)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def lock(folder: Path) -> int | None:
    """Take the instance's lock for as long as the descriptor is open; None when it is held, or the spec was revoked."""
    handle = os.open(folder / "lock", os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, LOCKABLE)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    if os.fstat(handle).st_mode & 0o777 == REVOKED:
        os.close(handle)
        return None
    return handle


def revoke(folder: Path) -> bool:
    """Make sure that no shim lives here nor ever starts. False when one lives."""
    try:
        handle = os.open(folder / "lock", os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, LOCKABLE)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.fchmod(handle, REVOKED)
    except BlockingIOError:
        return False
    finally:
        os.close(handle)
    return True


def is_locked(folder: Path) -> bool:
    """Whether the shim lives."""
    return is_held(folder / "lock")


def is_held(lock: Path) -> bool:
    """Whether a process holds a lock file. Looked at with a shared lock, so that two who look do not see each other."""
    try:
        handle = os.open(lock, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False
