"""Connections to engines between two requests."""

from __future__ import annotations

from collections import deque

from studio_core.gateway.upstream import Upstream


class Pool:
    """Connections to engines that wait for their next request. Each is given out to one request at a time."""

    def __init__(self, size: int = 1024) -> None:
        self._size = size
        self._left = self._forget
        self._idle: dict[tuple[str, int], deque[Upstream]] = {}

    def idle(self, where: tuple[str, int]) -> Upstream | None:
        """One that waits, the latest first."""
        waiting = self._idle.get(where)
        while waiting:
            found = waiting.pop()
            found.left = None
            if found.usable:
                return found
        return None

    async def take(self, where: tuple[str, int], fresh: bool = False) -> Upstream:
        """One that waits, else a new one; only a new one if `fresh`. Raises Unreached."""
        return (None if fresh else self.idle(where)) or await Upstream.open(where)

    def give(self, where: tuple[str, int], one: Upstream) -> None:
        """Back from an exchange: kept if it may be used again, else closed."""
        waiting = self._idle.get(where)
        if waiting is None:
            waiting = self._idle[where] = deque()
        if one.spent and len(waiting) < self._size:
            one.left = self._left
            waiting.append(one)
        else:
            one.close()

    def _forget(self, gone: Upstream) -> None:
        for where, waiting in self._idle.items():
            if gone in waiting:
                waiting.remove(gone)
                if not waiting:
                    del self._idle[where]
                return
