"""Reading logs: an engine's segments as one run of bytes, or a daemon's single file. Bounded in memory throughout."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

# The most that one read returns, and how often a follower looks for more.
READ_BYTES = 256 * 1024
POLL_S = 0.05
IDLE_POLL_S = 0.25
# A line longer than this is cut into pieces, and this is the most that all lines of a page hold.
LINE_BYTES = 64 * 1024
PAGE_BYTES = 16 * 1024 * 1024

Keep = Callable[[bytes], bool]


@dataclass(frozen=True, slots=True)
class Chunk:
    """Bytes from `start` up to `end`; `skipped` bytes before `start` were asked for but are no longer there."""

    start: int
    end: int
    data: bytes
    skipped: int = 0


@dataclass(frozen=True, slots=True)
class Line:
    """A line without its end, and the offset where it begins."""

    start: int
    data: bytes


@dataclass(slots=True)
class Page:
    """Some lines, the offset where the first begins, and how many lines there were to choose from."""

    start: int
    lines: list[bytes] = field(default_factory=list)
    matches: int = 0


class LogFolder:
    """One log by its offsets. `path` is a folder of segments, or a file, which is one segment at offset 0."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def segments(self) -> list[tuple[int, Path]]:
        """(offset of the first byte, file), in order."""
        try:
            found = [self._path / name for name in os.listdir(self._path) if name.endswith(".log")]
        except NotADirectoryError:
            return [(0, self._path)]
        except FileNotFoundError:
            return []
        return sorted((int(file.stem), file) for file in found if file.stem.isdigit())

    @property
    def size(self) -> int:
        """The offset after the last byte."""
        return max((offset + size for offset, size in self._sizes()), default=0)

    @property
    def stored(self) -> int:
        """Bytes on disk."""
        return sum(size for _, size in self._sizes())

    def _sizes(self) -> Iterator[tuple[int, int]]:
        for offset, file in self.segments():
            # The ring moves on while we look.
            with contextlib.suppress(FileNotFoundError):
                yield offset, file.stat().st_size

    def read(self, start: int, limit: int = READ_BYTES) -> Chunk:
        """Up to `limit` bytes of one segment, from the first stored byte at or after `start`."""
        for offset, file in self.segments():
            with contextlib.suppress(FileNotFoundError), file.open("rb", buffering=0) as handle:
                begin = max(start, offset)
                if data := os.pread(handle.fileno(), limit, begin - offset):
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

    def lines(self, start: int = 0, end: int | None = None) -> Iterator[Line]:
        """The lines of a range. One that is longer than LINE_BYTES, or whose rest is no longer there, ends early."""
        rest, at = b"", start
        for chunk in self.chunks(start, end):
            if chunk.skipped:
                yield from (Line(at, piece) for piece in (rest,) if piece)
                rest, at = b"", chunk.start
            data, begin = rest + chunk.data, 0
            while (stop := data.find(b"\n", begin, begin + LINE_BYTES)) >= 0 or len(data) - begin >= LINE_BYTES:
                whole = stop >= 0
                stop = stop if whole else begin + LINE_BYTES
                yield Line(at + begin, data[begin:stop])
                begin = stop + whole
            rest, at = data[begin:], at + begin
        if rest:
            yield Line(at, rest)

    def first(self, count: int, start: int = 0, end: int | None = None, keep: Keep | None = None) -> Page:
        """The first `count` lines of a range, of those that `keep` wants. With `keep` the whole range is searched."""
        page = Page(start)
        room = PAGE_BYTES
        for line in self.lines(start, end):
            if keep is not None and not keep(line.data):
                continue
            if len(page.lines) < count and room > 0:
                page.lines.append(line.data)
                room -= len(line.data)
            elif keep is None:
                break
            page.matches += 1
        return page

    def last(self, count: int, end: int | None = None, keep: Keep | None = None) -> Page:
        """The last `count` lines before `end`, of those that `keep` wants. Without `keep` only the end is read."""
        end = self.size if end is None else end
        window = end if keep is not None else READ_BYTES
        while True:
            start = max(0, end - window)
            # Inside the log the first line of a window is a part of one.
            found, matches = self._last(count + (start > 0), start, end, keep)
            if start == 0 or len(found) > count or window >= PAGE_BYTES:
                break
            window *= 4
        kept = found[1:] if start > 0 else found
        return Page(kept[0].start if kept else end, [line.data for line in kept], matches)

    def _last(self, count: int, start: int, end: int, keep: Keep | None) -> tuple[list[Line], int]:
        found: deque[Line] = deque()
        size = matches = 0
        for line in self.lines(start, end):
            if keep is not None and not keep(line.data):
                continue
            found.append(line)
            matches += 1
            size += len(line.data)
            while len(found) > count or size > PAGE_BYTES:
                size -= len(found.popleft().data)
        return list(found), matches

    def tail(self, count: int) -> list[str]:
        """The last lines as text; what is not UTF-8 is replaced."""
        return [line.decode("utf-8", "replace") for line in self.last(count).lines]

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
