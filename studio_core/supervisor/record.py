"""What the shim knows of its engine, on disk: the truth from which any controller goes on. Standard library only."""

from __future__ import annotations

import fcntl
import json
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

PROTOCOL = 1
STARTING, RUNNING, STOPPING, CLEANING, STUCK, GONE = "starting", "running", "stopping", "cleaning", "stuck", "gone"
# Room that is kept on disk so that a record can always be written; what does not fit loses its oldest lines.
SIZE = 64 * 1024


@dataclass(frozen=True)
class Exit:
    """How the first process ended. Both None: unknown, which is not 0."""

    code: int | None = None
    signal: int | None = None


@dataclass
class Record:
    """`seen` are the pids of the tree with their start ticks; `log_pipe` the inode of the engine's output pipe."""

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
    error: str = ""
    last_lines: list[str] = field(default_factory=list)
    started_at: float = 0.0
    exited_at: float | None = None
    protocol: int = PROTOCOL


def encode(record: Record) -> bytes:
    """One line of JSON with a checksum before it; the last lines give way when it would not fit its place."""
    while True:
        body = json.dumps(asdict(record)).encode()
        line = b"%08x %s\n" % (zlib.crc32(body), body)
        if len(line) <= SIZE or not record.last_lines:
            return line
        record.last_lines = record.last_lines[len(record.last_lines) // 2 + 1 :]


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
    """Take the room on disk that later writes need when the disk is full."""
    handle = os.open(folder / "record.spare", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        with suppress(OSError):
            os.posix_fallocate(handle, 0, SIZE)
    finally:
        os.close(handle)


def write(folder: Path, record: Record) -> None:
    """Atomically through a rename; on a full disk in place, in the reserved file, guarded by the checksum."""
    line = encode(record)
    fresh = folder / "record.json.new"
    try:
        _put(fresh, line, os.O_TRUNC)
        fresh.replace(folder / "record.json")
        _put(folder / "record.spare", b"stale".ljust(16), 0)
    except OSError:
        with suppress(OSError):
            fresh.unlink()
        _put(folder / "record.spare", line, 0)


def _put(path: Path, line: bytes, flags: int) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | flags, 0o600)
    try:
        os.write(handle, line)
    finally:
        os.close(handle)


def read(folder: Path) -> Record | None:
    """The newest whole record: the spare one when it is whole, for it is only written when the other could not be."""
    for name in ("record.spare", "record.json"):
        with suppress(OSError):
            record = decode((folder / name).read_bytes())
            if record is not None:
                return record
    return None


@contextmanager
def held(folder: Path) -> Iterator[bool]:
    """Try to take the instance's lock; True when we have it, and then no shim lives nor can a late one start."""
    handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
        else:
            yield True
    finally:
        os.close(handle)


def is_locked(folder: Path) -> bool:
    """Whether the shim lives."""
    with held(folder) as mine:
        return not mine
