"""What the app asked of Studio, and the engines that were started while it was open: the newest last, and only so many."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from studio_core import wire
    from studio_core.client.asked import Asked

MOST = 300


class Started(Struct):
    """An engine that somebody started; `argv` is empty until Studio has told it. `at` is Unix time in seconds."""

    instance_id: str
    name: str
    at: float
    argv: tuple[str, ...] = ()


class Entry(Struct):
    """`count`: what only looks is asked again and again, and stands here once, where it was asked last."""

    key: str
    what: Asked | Started
    count: int = 1


class Record:
    """Filled from any thread."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._entries: dict[str, Entry] = {}
        self._next = 0
        self._lock = threading.Lock()
        self._alive: set[str] | None = None

    def heard(self, one: Asked) -> None:
        """A request has begun; what becomes of it is written into it."""
        again = f"{one.method} {one.path.partition('?')[0]}" if one.method == "GET" else ""
        self._add(again, one)

    def _add(self, again: str, what: Asked | Started) -> None:
        with self._lock:
            self._next += 1
            key = again or str(self._next)
            before = self._entries.pop(key, None)
            self._entries[key] = Entry(key, what, before.count + 1 if before else 1)
            if len(self._entries) > self._most:
                del self._entries[next(iter(self._entries))]

    def entries(self) -> tuple[Entry, ...]:
        with self._lock:
            return tuple(self._entries.values())

    def started(self, instances: list[wire.Instance], now: float) -> list[Started]:
        """Those that were not there before, now written down; what ran when the app was opened is nobody's news."""
        before, self._alive = self._alive, {one.id for one in instances}
        new = [Started(one.id, one.name, now) for one in instances if before is not None and one.id not in before]
        for one in new:
            self._add("", one)
        return new
