"""How often a log holds something, and where: one count per block of it, from the end backward. Standard library only.

Memory does not grow with the matches: a place is found again by looking into its block, which takes a millisecond.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from studio_core.logs.chain import Chain, Run
from studio_core.logs.needle import Needle, level_of

BLOCK = 512 * 1024
# Where blocks lie in the buffer, after the byte before them. Python's large buffers begin 16 bytes into a page: copied from
# the page cache to there, a gigabyte takes the kernel six times as long.
PAD = 64
NEWLINE = 10
# What a line may reach into the block after the one it begins in; the rest of a longer one is not looked at.
REACH = 1024 * 1024
# How far back a line that names no level looks for one.
LOOK_BACK = 16 * 1024


class Sieve:
    """`step` counts one block more and says whether there was one; `near` finds lines around a place at any time."""

    def __init__(self, chain: Chain, needle: Needle) -> None:
        self._chain, self._needle = chain, needle
        self._buffer = bytearray(PAD + BLOCK + REACH)
        self._view = memoryview(self._buffer)
        self._counts: dict[int, int] = {}
        self.runs = chain.runs()
        # Whole lines of the newest run end here; what came later is counted forward.
        self._done = _whole(self.runs[-1]) if self.runs else 0
        self._head = b""
        # While blocks are counted one after the other their file stays open.
        self._held: tuple[str, int] | None = None
        self._plan = self._blocks()
        self.complete = False
        self._begins = [run.begin for run in self.runs]

    @property
    def found(self) -> int:
        """Lines found so far, with one that is still being written."""
        return sum(self._counts.values()) + self._unfinished()

    @property
    def left(self) -> float:
        """The part that has not been looked at, 1 to 0."""
        whole = sum(run.end - run.begin for run in self.runs) // BLOCK + 1
        return 0.0 if self.complete else max(0.0, 1 - len(self._counts) / whole)

    def step(self) -> bool:
        """Count one block, the newest first."""
        block = next(self._plan, None)
        if block is None:
            self.complete = True
            self._let_go()
            return False
        run, number, end = block
        self._counts[number] = self._counts.get(number, 0) + self._back(run, number, end)
        return True

    def _blocks(self) -> Iterator[tuple[Run, int, int]]:
        for at in range(len(self.runs) - 1, -1, -1):
            run = self.runs[at]
            end = self._done if at == len(self.runs) - 1 else run.end
            self._head = b""
            for number in range((end - 1) // BLOCK, run.begin // BLOCK - 1, -1):
                if end > run.begin:
                    yield run, number, end

    def _back(self, run: Run, number: int, end: int) -> int:
        """The lines that begin in a block, each as far as it reaches; the head of the block after is at hand."""
        begin, stop = max(run.begin, number * BLOCK), min(end, (number + 1) * BLOCK)
        lead = int(begin > run.begin)
        size = self._read(run, begin - lead, stop, PAD - lead, hold=True) - lead
        if size < stop - begin:
            self._head = b""
            return 0
        whole = PAD + size + len(self._head)
        self._buffer[PAD + size:whole] = self._head
        first = self._first(whole) if lead else PAD
        self._head = bytes(self._buffer[PAD:min(first, PAD + REACH)])
        return self._needle.count(self._buffer, first, whole, self._level(run, begin)) if first < whole else 0

    def _first(self, end: int) -> int:
        """Where the first line begins that begins in the block in the buffer."""
        return PAD if self._buffer[PAD - 1] == NEWLINE else self._buffer.find(b"\n", PAD, end) + 1 or end

    def _read(self, run: Run, begin: int, end: int, at: int = PAD, hold: bool = False) -> int:
        """Into the buffer; how many bytes there were."""
        done = 0
        for first, last, file in run.spans:
            if first < end and last > begin + done:
                wanted = min(end, last) - (begin + done)
                got = self._into(file, self._view[at + done:at + done + wanted], begin + done - first, hold)
                done += got
                if got < wanted:
                    break
        return done

    def _into(self, file: str, view: memoryview, offset: int, hold: bool) -> int:
        if self._held is None or self._held[0] != file or not hold:
            self._let_go()
            try:
                self._held = file, os.open(file, os.O_RDONLY | os.O_CLOEXEC)
            except OSError:
                return 0
        try:
            return os.preadv(self._held[1], [view], offset)
        except OSError:
            return 0
        finally:
            if not hold:
                self._let_go()

    def _let_go(self) -> None:
        if self._held is not None:
            os.close(self._held[1])
            self._held = None

    def _level(self, run: Run, begin: int) -> int | None:
        if not self._needle.level:
            return None
        back = run.read(max(run.begin, begin - LOOK_BACK), begin).splitlines()
        return next((level for line in reversed(back) if (level := level_of(line)) is not None), None)

    # What comes later.

    def grow(self) -> bool:
        """Look at what was written meanwhile, some MiB at most; True when there was something."""
        self.runs = self._chain.runs()
        self._forget()
        run = next((run for run in self.runs if run.begin <= self._done < run.end), None)
        if run is None:
            run = next((run for run in self.runs if run.begin > self._done), None)
            if run is None:
                return False
            self._done = run.begin
        number = self._done // BLOCK
        whole = self._whole_lines(run, (number + 1) * BLOCK)
        if whole == 0:
            return False
        count = self._needle.count(self._buffer, PAD, PAD + whole, self._level(run, self._done))
        self._counts[number] = self._counts.get(number, 0) + count
        self._done += whole
        return True

    def _whole_lines(self, run: Run, stop: int) -> int:
        """Into the buffer: the lines from `_done` on that begin before `stop` and have an end; how many bytes they are."""
        size = self._read(run, self._done, min(run.end, stop))
        if self._done + size < run.end:
            inside = size
            size += self._read(run, stop, min(run.end, stop + REACH), PAD + size)
            if (at := self._buffer.find(b"\n", PAD + inside - 1, PAD + size)) >= 0:
                return at + 1 - PAD
            return size if size >= inside + REACH else self._last(size)
        return self._last(size) if run is self.runs[-1] else size

    def _last(self, size: int) -> int:
        """Where the last whole line in the buffer ends."""
        return max(PAD, self._buffer.rfind(b"\n", PAD, PAD + size) + 1) - PAD

    def _forget(self) -> None:
        """What was deleted meanwhile is found no more."""
        begins = [run.begin for run in self.runs]
        if begins != self._begins:
            self._begins = begins
            kept = [(run.begin // BLOCK, (run.end - 1) // BLOCK) for run in self.runs]
            self._counts = {number: count for number, count in self._counts.items() if any(a <= number <= b for a, b in kept)}

    def _unfinished(self) -> int:
        run = self.runs[-1] if self.runs else None
        if run is None or not run.begin <= self._done < run.end:
            return 0
        size = self._read(run, self._done, min(run.end, self._done + BLOCK))
        return self._needle.count(self._buffer, PAD, PAD + size, self._level(run, self._done)) if size else 0

    # Around a place.

    def back(self, place: int) -> Iterator[int | None]:
        """The places of lines that begin before it, the last one first; None where somebody else may have a turn."""
        for run in reversed(self.runs):
            if run.begin >= place:
                continue
            for number in range((min(place, run.end) - 1) // BLOCK, run.begin // BLOCK - 1, -1):
                yield None
                yield from (at for at in reversed(self._of_block(run, number)) if at < place)

    def forth(self, place: int) -> Iterator[int | None]:
        """The places of lines that begin there or later."""
        for run in self.runs:
            if run.end <= place:
                continue
            for number in range(max(place, run.begin) // BLOCK, (run.end - 1) // BLOCK + 1):
                yield None
                yield from (at for at in self._of_block(run, number) if at >= place)

    def before(self, place: int) -> int | None:
        """How many lines of those found begin before a place; None while that is not known."""
        if not self.complete:
            return None
        number = place // BLOCK
        run = next((run for run in self.runs if run.begin <= place < run.end), None)
        inside = sum(at < place for at in self._of_block(run, number)) if run else 0
        return sum(count for at, count in self._counts.items() if at < number) + inside

    def _of_block(self, run: Run, number: int) -> Sequence[int]:
        """The places of the lines that begin in one block and hold all."""
        begin, stop = max(run.begin, number * BLOCK), min(run.end, (number + 1) * BLOCK)
        if self._counts.get(number) == 0 and stop <= self._done:
            return ()
        lead = int(begin > run.begin)
        size = max(0, self._read(run, begin - lead, stop, PAD - lead) - lead)
        more = size + self._read(run, stop, min(run.end, stop + REACH), PAD + size) if size == stop - begin else size
        cut = self._buffer.find(b"\n", PAD + max(0, size - 1), PAD + more)
        end, stop = cut + 1 if cut >= 0 else PAD + more, PAD + size
        first = self._first(stop) if lead else PAD
        if first >= stop:
            return ()
        return [begin + at - PAD for at in self._needle.starts(self._buffer, first, end, self._level(run, begin)) if at < stop]


def _whole(run: Run) -> int:
    """The end of the last whole line of a run."""
    place = run.end
    while place > run.begin:
        begin = max(run.begin, place - REACH)
        if (at := run.read(begin, place).rfind(b"\n")) >= 0:
            return begin + at + 1
        place = begin
    return run.begin
