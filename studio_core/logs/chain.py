"""Logs end to end: files and folders of segments read as one run of bytes, by place. Standard library only, no state.

A place in a chain is one number: the part's number times STRIDE plus the offset inside of the part. What a part loses or
gains moves no place, and a chain of any size costs nothing to open.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from itertools import islice

# A part may be this long: 16 TiB.
STRIDE = 1 << 44
# The most that is read at once, and what the first look takes.
READ_BYTES = 256 * 1024
LOOK_BYTES = 16 * 1024
# A line longer than this is cut into pieces.
LINE_BYTES = 64 * 1024

Line = tuple[int, bytes]


def segments(path: str) -> list[tuple[int, str]]:
    """(offset of the first byte, file), in order. A file is one segment at offset 0; what is not there has none."""
    try:
        names = os.listdir(path)
    except NotADirectoryError:
        return [(0, path)]
    except OSError:
        return []
    parts = ((name, *name.partition(".")) for name in names)
    return sorted((int(stem), os.path.join(path, name)) for name, stem, _, end in parts if end == "log" and stem.isdigit())


class Run:
    """Bytes without a gap: adjoining segments."""

    __slots__ = ("begin", "end", "spans")

    def __init__(self, begin: int, end: int, file: str) -> None:
        self.begin, self.end = begin, end
        self.spans = [(begin, end, file)]

    def read(self, start: int, end: int) -> bytes:
        """From a place up to a place, or up to what has been deleted meanwhile."""
        pieces = []
        for span in self.spans:
            if span[0] < end and span[1] > start:
                pieces.append(piece := _piece(span, max(start, span[0]), min(end, span[1])))
                if len(piece) < min(end, span[1]) - max(start, span[0]):
                    break
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _piece(span: tuple[int, int, str], start: int, end: int) -> bytes:
    try:
        handle = os.open(span[2], os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return os.pread(handle, end - start, start - span[0])
    except OSError:
        return b""
    finally:
        os.close(handle)


class Chain:
    """`paths` in the order of time."""

    def __init__(self, paths: Sequence[str]) -> None:
        self.paths = list(paths)

    def runs(self) -> list[Run]:
        """What is stored now, in order; between two runs something is missing."""
        found: list[Run] = []
        for part, path in enumerate(self.paths):
            for offset, file in segments(path):
                try:
                    size = os.stat(file).st_size
                except OSError:
                    continue
                begin = part * STRIDE + offset
                if found and found[-1].end == begin and size:
                    found[-1].spans.append((begin, begin + size, file))
                    found[-1].end += size
                elif size:
                    found.append(Run(begin, begin + size, file))
        return found

    def lines_after(self, start: int, count: int, runs: Sequence[Run] | None = None) -> list[Line]:
        """Up to `count` lines from the beginning of a line on: (place, text without its end)."""
        return list(islice(_forward(self.runs() if runs is None else runs, start), count))

    def lines_before(self, end: int, count: int, runs: Sequence[Run] | None = None) -> list[Line]:
        """The last `count` lines that begin before a place, in order."""
        return list(islice(_backward(self.runs() if runs is None else runs, end), count))[::-1]


def _forward(runs: Sequence[Run], start: int) -> Iterator[Line]:
    for run in runs:
        if run.end <= start:
            continue
        at, rest, place, window = max(start, run.begin), b"", max(start, run.begin), LOOK_BYTES
        while place < run.end and (data := run.read(place, min(place + window, run.end))):
            place, window = place + len(data), READ_BYTES
            rest += data
            begin = 0
            while (stop := rest.find(b"\n", begin, begin + LINE_BYTES)) >= 0 or len(rest) - begin >= LINE_BYTES:
                whole = stop >= 0
                stop = stop if whole else begin + LINE_BYTES
                yield at + begin, rest[begin:stop]
                begin = stop + whole
            rest, at = rest[begin:], at + begin
        if rest:
            yield at, rest


def _backward(runs: Sequence[Run], end: int) -> Iterator[Line]:
    """The last line first. A window grows backward until it holds a line's beginning; then its lines are told."""
    for run in reversed(runs):
        if run.begin >= end:
            continue
        place, rest, window = min(end, run.end), b"", LOOK_BYTES
        while place > run.begin:
            begin = max(run.begin, place - window)
            data = run.read(begin, place) + rest
            if len(data) - len(rest) < place - begin:
                return
            place, window = begin, READ_BYTES
            # A line's own end is no beginning of another.
            first = 0 if place == run.begin else data.find(b"\n", 0, len(data) - 1) + 1
            if first == 0 and place > run.begin and len(data) < LINE_BYTES:
                rest = data
                continue
            yield from _reversed(data, first, place)
            rest = data[:first]


def _reversed(data: bytes, first: int, place: int) -> Iterator[Line]:
    """The lines of data from `first` on, the last one first."""
    stop = len(data) - data.endswith(b"\n")
    while stop >= first:
        begin = max(first, data.rfind(b"\n", first, stop) + 1, stop - LINE_BYTES)
        yield place + begin, data[begin:stop]
        if begin <= first:
            return
        stop = begin - (data[begin - 1] == 10)
