"""The log of one engine start as segments: the beginning is kept, the rest is a bounded ring. Standard library only.

A segment's name is the offset of its first byte since the start; a gap between two segments is what was dropped.
"""

from __future__ import annotations

import os
from pathlib import Path

WIDTH = 16
# Whatever the settings say, a segment is at least this long: each costs a file.
SEGMENT_MIN = 4096


def name(offset: int) -> str:
    return f"{offset:0{WIDTH}d}.log"


class SegmentWriter:
    """Appends bytes and never raises for a full disk: the ring gives way, oldest first, and then the new bytes.

    What could not be written is counted in `dropped` and leaves a gap, for `offset` counts every byte.
    """

    def __init__(self, folder: Path, head: int, segment: int, count: int) -> None:
        folder.mkdir(mode=0o700, exist_ok=True)
        self.offset = 0
        self.dropped = 0
        self._folder = folder
        self._head, self._segment, self._count = max(head, SEGMENT_MIN), max(segment, SEGMENT_MIN), max(count, 1)
        self._ring: list[int] = []
        self._left = 0
        self._handle = -1

    def write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            if self._handle < 0 or self._left == 0:
                self._next()
            piece = view[: self._left]
            done = self._append(piece)
            self.offset += len(piece)
            self._left -= len(piece)
            if done < len(piece):
                self.dropped += len(piece) - done
                self.close()
            view = view[len(piece) :]

    def _append(self, piece: memoryview) -> int:
        """How many of the bytes are on disk."""
        done = 0
        while self._handle >= 0 and done < len(piece):
            try:
                done += os.write(self._handle, piece[done:])
            except OSError:
                if not self._give_way():
                    break
        return done

    def _next(self) -> None:
        """Begin a segment at the current offset; the oldest of the ring goes, never the beginning."""
        self.close()
        first = self.offset == 0
        self._left = self._head if first else self._segment
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        try:
            self._handle = os.open(self._folder / name(self.offset), flags, 0o600)
        except OSError:
            return
        if not first:
            self._ring.append(self.offset)
            if len(self._ring) > self._count:
                self._give_way()

    def _give_way(self) -> bool:
        """Delete the oldest segment of the ring; False when there is none but the one that is written."""
        if len(self._ring) < 2:
            return False
        (self._folder / name(self._ring.pop(0))).unlink(missing_ok=True)
        return True

    def close(self) -> None:
        """End the segment; one that got no byte leaves no file."""
        if self._handle < 0:
            return
        empty = os.fstat(self._handle).st_size == 0
        os.close(self._handle)
        self._handle, self._left = -1, 0
        if empty and self._ring:
            (self._folder / name(self._ring.pop())).unlink(missing_ok=True)
