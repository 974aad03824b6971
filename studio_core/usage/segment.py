"""The journal's folder: segments `<writer>-<number>.jsonl`, and `<writer>.lock` held while the writer lives."""

from __future__ import annotations

import fcntl
import os
import time
from dataclasses import dataclass
from pathlib import Path

from studio_core.usage.line import CLOSED

# One transaction: a few milliseconds during which no other write gets its turn.
CHUNK_BYTES = 128 * 1024
# A writer locks its file right after creating it, and before its first segment; a free lock this old has no writer.
LOCK_AGE_S = 60.0


@dataclass(frozen=True, slots=True)
class Segment:
    path: Path
    writer: str
    size: int


@dataclass(frozen=True, slots=True)
class Folder:
    """One look into the journal: the segments in the order they were written, and whose locks or segments there are."""

    segments: tuple[Segment, ...]
    writers: frozenset[str]


def look(folder: Path) -> Folder:
    segments: list[Segment] = []
    writers: set[str] = set()
    with os.scandir(folder) as entries:
        for entry in entries:
            stem, _, kind = entry.name.rpartition(".")
            if kind == "lock":
                writers.add(stem)
            elif kind == "jsonl":
                segments.append(Segment(Path(entry.path), stem.rpartition("-")[0], entry.stat().st_size))
    writers.update(segment.writer for segment in segments)
    segments.sort(key=lambda segment: segment.path.name)
    return Folder(tuple(segments), frozenset(writers))


def is_alive(folder: Path, writer: str, has_segment: bool) -> bool:
    """Whether the writer holds its lock. One that was just created may be about to be locked."""
    try:
        handle = os.open(folder / f"{writer}.lock", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return not has_segment and time.time() - os.fstat(handle).st_mtime < LOCK_AGE_S
    finally:
        os.close(handle)


def read(segment: Segment, offset: int) -> bytes:
    """Whole lines from `offset` on, about CHUNK_BYTES of them."""
    with segment.path.open("rb") as file:
        file.seek(offset)
        data = file.read(CHUNK_BYTES)
        while data and b"\n" not in data and (more := file.read(CHUNK_BYTES)):
            data += more
    return data[: data.rfind(b"\n") + 1]


def is_closed(segment: Segment, offset: int) -> bool:
    """Whether what ends at `offset` is the line by which its writer closed it."""
    with segment.path.open("rb") as file:
        file.seek(max(0, offset - len(CLOSED)))
        return file.read() == CLOSED
