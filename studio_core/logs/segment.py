"""The log of one engine start as segments: the beginning is kept, the rest is a bounded ring. Standard library only.

A segment's name is the offset of its first byte since the start; a gap between two segments is what was dropped.
"""

from __future__ import annotations

import os
from pathlib import Path

WIDTH = 16


def name(offset: int) -> str:
    return f"{offset:0{WIDTH}d}.log"


class SegmentWriter:
    """Appends bytes. Never raises for a full disk: what cannot be written is counted in `dropped` and leaves a gap."""

    def __init__(self, folder: Path, head: int, segment: int, count: int) -> None:
        folder.mkdir(mode=0o700, exist_ok=True)
        self.offset = 0
        self.dropped = 0
        self._folder = folder
        self._head, self._segment, self._count = head, segment, count
        self._ring: list[int] = []
        self._left = 0
        self._handle = -1

    def write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            if self._left == 0:
                self._next()
            piece = view[: self._left] if self._left > 0 else view
            done = self._append(piece)
            self.offset += len(piece)
            if done < len(piece):
                self.dropped += len(piece) - done
                self._close()
            else:
                self._left -= len(piece)
            view = view[len(piece) :]

    def _append(self, piece: memoryview) -> int:
        if self._handle < 0:
            return 0
        try:
            return os.write(self._handle, piece)
        except OSError:
            return 0

    def _next(self) -> None:
        """Begin a segment at the current offset; the oldest of the ring goes, never the beginning."""
        first = self.offset == 0
        self._close()
        self._left = self._head if first else self._segment
        if not first:
            self._ring.append(self.offset)
            while len(self._ring) > self._count:
                (self._folder / name(self._ring.pop(0))).unlink(missing_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        try:
            self._handle = os.open(self._folder / name(self.offset), flags, 0o600)
        except OSError:
            self._handle = -1

    def _close(self) -> None:
        if self._handle >= 0:
            os.close(self._handle)
        self._handle, self._left = -1, 0

    def close(self) -> None:
        self._close()
