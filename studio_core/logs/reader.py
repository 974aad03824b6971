"""Reading logs: an engine's segments as one run of bytes, or a daemon's single file. Bounded in memory throughout."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

# The most that one read returns, and how often a follower looks for more.
READ_BYTES = 256 * 1024
POLL_S = 0.05
IDLE_POLL_S = 0.25
# A line longer than this is cut into pieces.
LINE_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Chunk:
    """Bytes from `start` up to `end`; `skipped` bytes before `start` were asked for but are no longer there."""

    start: int
    end: int
    data: bytes
    skipped: int = 0


class LogFolder:
    """One log by its offsets. `path` is a folder of segments, or a file, which is one segment at offset 0."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def segments(self) -> list[tuple[int, Path]]:
        """(offset of the first byte, file), in order."""
        if self._path.is_dir():
            return sorted((int(file.stem), file) for file in self._path.glob("*.log") if file.stem.isdigit())
        return [(0, self._path)] if self._path.exists() else []

    @property
    def size(self) -> int:
        """The offset after the last byte."""
        found = self.segments()
        return found[-1][0] + found[-1][1].stat().st_size if found else 0

    @property
    def stored(self) -> int:
        """Bytes on disk."""
        return sum(file.stat().st_size for _, file in self.segments())

    def read(self, start: int, limit: int = READ_BYTES) -> Chunk:
        """Up to `limit` bytes from the first stored byte at or after `start`."""
        for offset, file in self.segments():
            try:
                size = file.stat().st_size
            except FileNotFoundError:
                continue
            if offset + size <= start:
                continue
            begin = max(start, offset)
            with file.open("rb") as handle:
                handle.seek(begin - offset)
                data = handle.read(limit)
            return Chunk(begin, begin + len(data), data, begin - start)
        return Chunk(start, start, b"")

    def chunks(self, start: int = 0, end: int | None = None) -> Iterator[Chunk]:
        """All chunks from `start` to `end` or the end as it is now."""
        stop = self.size if end is None else min(end, self.size)
        while start < stop:
            chunk = self.read(start, min(READ_BYTES, stop - start))
            if not chunk.data or chunk.start >= stop:
                return
            yield chunk
            start = chunk.end

    def lines(self, start: int = 0, end: int | None = None, keep: Callable[[bytes], bool] | None = None) -> Iterator[bytes]:
        """The lines without their ends; those that `keep` refuses are left out."""
        rest = b""
        for chunk in self.chunks(start, end):
            *whole, rest = (rest + chunk.data).split(b"\n")
            if len(rest) > LINE_BYTES:
                whole, rest = [*whole, rest], b""
            yield from (line for line in whole if keep is None or keep(line))
        if rest and (keep is None or keep(rest)):
            yield rest

    def tail(self, count: int, keep: Callable[[bytes], bool] | None = None) -> tuple[int, list[bytes]]:
        """The last `count` lines and the offset where they begin; without a filter only the end is read."""
        if keep is not None:
            found = list(self.lines(keep=keep))
            return 0, found[-count:]
        end = self.size
        window = READ_BYTES
        while True:
            start = max(0, end - window)
            found = list(self.lines(start))
            if start == 0 or len(found) > count or window > 64 * READ_BYTES:
                found = found if start == 0 else found[1:]
                kept = found[-count:]
                return max(start, end - sum(len(line) + 1 for line in kept)), kept
            window *= 4

    def tail_lines(self, count: int) -> list[str]:
        """The last lines as text; what is not UTF-8 is replaced."""
        return [line.decode("utf-8", "replace") for line in self.tail(count)[1]]

    async def follow(self, start: int) -> AsyncIterator[Chunk]:
        """Chunks from `start` on, as they are written, for ever. Small files are read in the loop: they are in the page cache."""
        pause = POLL_S
        while True:
            chunk = self.read(start)
            if chunk.data:
                yield chunk
                start, pause = chunk.end, POLL_S
            else:
                await asyncio.sleep(pause)
                pause = min(pause * 1.2, IDLE_POLL_S)
