"""The usage journal: two lines per request, written by a thread, in segments that the controller takes in."""

from __future__ import annotations

import fcntl
import os
import queue
import threading
from pathlib import Path
from typing import Any

import msgspec

SEGMENT_BYTES = 4 * 1024 * 1024
QUEUE_LINES = 100_000


class Journal:
    """One writer: this process. `lost` counts lines that the full queue or disk did not take."""

    def __init__(self, folder: Path, writer: str) -> None:
        self.lost = 0
        self._folder = folder
        self._writer = writer
        self._lines: queue.Queue[bytes | None] = queue.Queue(QUEUE_LINES)
        self._number = 0
        self._lock = os.open(folder / f"{writer}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self._thread = threading.Thread(target=self._write, name="journal", daemon=True)
        self._thread.start()

    def line(self, **fields: Any) -> None:
        """Queue one line; never blocks."""
        try:
            self._lines.put_nowait(msgspec.json.encode(fields) + b"\n")
        except queue.Full:
            self.lost += 1

    def close(self) -> None:
        """Write what is queued, close the segment, give up the lock."""
        self._lines.put(None)
        self._thread.join()
        os.close(self._lock)

    def _write(self) -> None:
        handle, size = -1, 0
        while (batch := self._batch()) is not None:
            if handle < 0:
                handle, size = self._open(), 0
            handle, size = self._append(handle, size, batch)
        if handle >= 0:
            os.write(handle, b'{"t":"closed"}\n')
            os.close(handle)

    def _batch(self) -> bytes | None:
        """All that waits, joined; None at the end."""
        first = self._lines.get()
        if first is None:
            return None
        lines = [first]
        while not self._lines.empty():
            line = self._lines.get()
            if line is None:
                self._lines.put(None)
                break
            lines.append(line)
        return b"".join(lines)

    def _open(self) -> int:
        self._number += 1
        name = f"{self._writer}-{self._number:06d}.jsonl"
        return os.open(self._folder / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def _append(self, handle: int, size: int, batch: bytes) -> tuple[int, int]:
        try:
            size += os.write(handle, batch)
        except OSError:
            self.lost += batch.count(b"\n")
        if size < SEGMENT_BYTES:
            return handle, size
        os.write(handle, b'{"t":"closed"}\n')
        os.close(handle)
        return -1, 0
