"""Whose time is over: one timer for all connections, instead of one per connection and phase."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol

TURN_S = 0.25


class Timed(Protocol):
    """`due` by the monotonic clock; `late` is called when it has come, at most a turn later."""

    due: float

    def late(self, now: float) -> None:
        """Sets a new `due`, or leaves the wheel."""


class Wheel:
    """Turns while anybody is on it. `now` is the monotonic clock as of the last turn."""

    def __init__(self) -> None:
        self.now = 0.0
        self._on: set[Timed] = set()
        self._turning = False

    def add(self, one: Timed) -> None:
        self._on.add(one)
        if not self._turning:
            self._turning = True
            self._again()

    def discard(self, one: Timed) -> None:
        self._on.discard(one)

    def _again(self) -> None:
        self.now = time.monotonic()
        asyncio.get_running_loop().call_later(TURN_S, self._turn)

    def _turn(self) -> None:
        now = time.monotonic()
        for one in [one for one in self._on if one.due <= now]:
            one.late(now)
        self._turning = bool(self._on)
        if self._turning:
            self._again()
