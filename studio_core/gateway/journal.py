"""The usage journal: a line or two per request, written by a thread, in segments that the controller takes in."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from studio_core import room
from studio_core.paths import Places

# A segment is closed when it has this size, or is this old and its writer has nothing to write.
SEGMENT_BYTES = 4 * 1024 * 1024
SEGMENT_S = 3600.0
QUEUE_LINES = 100_000
# Lines of so long are written at once: under load the thread would else take the loop's turns, line by line.
GATHER_S = 0.05
# Encoded and written at once: the loop gets its turn in between.
PIECE_LINES = 500
# After a full disk.
RETRY_S = 1.0
CLOSED = b'{"t":"closed"}\n'
# What becomes of a request.
OK, REJECTED, FAILED, CANCELLED = "ok", "rejected", "failed", "cancelled"


class Start(msgspec.Struct, tag="start", tag_field="t", gc=False):
    """A request was let in: what was asked for. `at` is Unix time in seconds."""

    id: str
    at: float
    path: str
    model: str | None
    recipe: str | None
    instance: str | None
    key: str | None
    stream: bool


class End(msgspec.Struct, tag="end", tag_field="t", gc=False):
    """What was asked for, what became of it, who answered, and what the answer said of itself (`Observation.ended`)."""

    id: str
    at: float
    status: int
    outcome: str
    error: str | None
    recipe: str | None
    instance: str | None
    ttft_s: float | None = None
    duration_s: float | None = None
    path: str | None = None
    model: str | None = None
    key: str | None = None
    stream: bool = False
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None
    finish: str | None = None
    chunks: int = 0


def outcome(status: int, fault: str | None = None) -> str:
    """Of a whole answer: an engine may say 200 and tell of a fault in the body."""
    return REJECTED if 400 <= status < 500 else OK if fault is None and status < 400 else FAILED


def wall(moment: float) -> float:
    """A moment of the monotonic clock as Unix time."""
    return time.time() - (time.monotonic() - moment)


_encoder = msgspec.json.Encoder()


class Journal:
    """One writer: this process. `lost` counts lines that a full queue did not take, or a disk that was full to the end."""

    def __init__(self, folder: Path, writer: str) -> None:
        self.lost = 0
        self._folder = folder
        self._writer = writer
        self._lines: deque[Any] = deque()
        self._idle, self._news = False, threading.Event()
        self._number = 0
        self._handle, self._size, self._opened = -1, 0, 0.0
        self._held = 0
        self._closing = threading.Event()
        self._lock = os.open(folder / f"{writer}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self._thread = threading.Thread(target=self._write, name="journal", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Lines that are not on disk yet."""
        return self._held + len(self._lines)

    def line(self, **fields: Any) -> None:
        """Queue one line; never blocks."""
        self.extend([fields])

    def extend(self, lines: Sequence[Start | End | dict[str, Any]]) -> None:
        """The same of many. It is the thread that makes text of them."""
        taken = lines[: max(0, QUEUE_LINES - len(self._lines))]
        self.lost += len(lines) - len(taken)
        self._lines.extend(taken)
        # Waking a thread costs more than the lines: only one that sleeps is woken.
        if self._idle and taken:
            self._idle = False
            self._news.set()

    def close(self) -> None:
        """Write what is queued, close the segment, give up the lock."""
        self._closing.set()
        self._news.set()
        self._thread.join()
        os.close(self._lock)

    # The thread.

    def _write(self) -> None:
        over = False
        while not over:
            batch, over = self._batch()
            for begin in range(0, len(batch), PIECE_LINES):
                piece = batch[begin : begin + PIECE_LINES]
                if not self._insist(_encoder.encode_lines(piece)):
                    self.lost += len(piece)
            self._held = 0
            aged = self._handle >= 0 and time.monotonic() - self._opened > SEGMENT_S
            if over or aged or self._size >= SEGMENT_BYTES:
                self._end_segment()

    def _batch(self) -> tuple[list[Any], bool]:
        """All that waits, and whether it is the end. Empty now and then, so that an old segment is closed."""
        self._idle = True
        if not self._lines:
            self._news.wait(SEGMENT_S)
        self._idle = False
        self._news.clear()
        over = self._closing.wait(GATHER_S)
        # Counted as held before they leave the queue: nobody shall see none waiting while some are in between.
        self._held = len(self._lines)
        return [self._lines.popleft() for _ in range(self._held)], over

    def _insist(self, data: bytes) -> bool:
        """Until there is room for it; meanwhile the queue fills. A writer that is to end takes the reserve and tries once more."""
        while not self._append(data):
            if self._closing.wait(RETRY_S):
                room.give_up_reserve(Places(self._folder.parent))
                return self._append(data)
        return True

    def _append(self, data: bytes) -> bool:
        """Whole, or not at all: a torn line would be read as part of the next."""
        try:
            if self._handle < 0:
                self._begin_segment()
            written = os.write(self._handle, data)
            if written < len(data):
                os.ftruncate(self._handle, self._size)
                return False
        except OSError:
            return False
        self._size += written
        return True

    def _begin_segment(self) -> None:
        name = f"{self._writer}-{self._number + 1:06d}.jsonl"
        self._handle = os.open(self._folder / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._number, self._size, self._opened = self._number + 1, 0, time.monotonic()

    def _end_segment(self) -> None:
        """Say that nothing more comes here. On a full disk it is said by the writer's end instead."""
        if self._handle < 0:
            return
        self._append(CLOSED)
        os.close(self._handle)
        self._handle, self._size = -1, 0
