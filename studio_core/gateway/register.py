"""Who is under way, and the journal's lines of them: made many at a time and a moment later, for one by one each would pay more.

A request that is over within that moment has one line, which says all; one that takes longer has a start line before.
"""

from __future__ import annotations

import asyncio
import time
from typing import Protocol

from studio_core.gateway.flight import Flying
from studio_core.gateway.journal import End, Journal, Start
from studio_core.gateway.tally import Tally

LATER_S = 0.05
# So many that are over do not wait for the moment.
TOGETHER = 256


class Entry(Flying, Protocol):
    """A request in the register: when it began, by the monotonic clock, and whether it is over."""

    id: str
    over: bool

    @property
    def received(self) -> int:
        """Bytes of its body."""

    @property
    def began(self) -> float: ...

    @property
    def sent(self) -> int:
        """Bytes of its answer."""

    def start(self) -> Start:
        """The line that says what was asked for."""

    def end(self) -> End:
        """The line that says all, when it is over."""


class Register:
    """`running` are those under way, by their ids."""

    def __init__(self, journal: Journal, tally: Tally) -> None:
        self.running: dict[str, Entry] = {}
        self._journal = journal
        self._tally = tally
        # Without a line yet; over, and without its last line.
        self._fresh: list[Entry] = []
        self._over: list[Entry] = []
        self._called = False

    @property
    def lost(self) -> int:
        """Lines that were lost."""
        return self._journal.lost

    @property
    def waiting(self) -> int:
        """Lines that are not on disk yet."""
        return len(self._over) + self._journal.waiting

    def begin(self, one: Entry) -> None:
        """It was let in, or goes on where another of its id, which is over, had come to."""
        self.running[one.id] = one
        self._fresh.append(one)
        if not self._called:
            self._call()

    def end(self, one: Entry) -> None:
        """It is over, and knows how it ended."""
        self.running.pop(one.id, None)
        self._over.append(one)
        if not self._called:
            self._call()
        elif len(self._over) >= TOGETHER:
            self.write()

    def write(self) -> None:
        """The lines of all that are over, and of those that have been under way for a moment."""
        over, self._over = self._over, []
        under_way = [one for one in self._fresh if not one.over]
        then = time.monotonic() - LATER_S
        self._fresh = [one for one in under_way if one.began > then]
        self._journal.extend([one.start() for one in under_way if one.began <= then])
        ends = [one.end() for one in over]
        self._journal.extend(ends)
        self._tally.add(ends, [(one.sent, one.received) for one in over])

    def _call(self) -> None:
        self._called = True
        asyncio.get_running_loop().call_later(LATER_S, self._turn)

    def _turn(self) -> None:
        self._called = False
        self.write()
        if self._fresh:
            self._call()
