"""What a small table holds, kept in memory: read once, and again after each write to it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Kept(Generic[T]):
    """`read()` reads the table. Whoever writes to it gives `written` to `Store.write`: the controller is the only writer."""

    def __init__(self, read: Callable[[], Awaitable[T]]) -> None:
        self._read = read
        self._writes = 0
        self._kept: tuple[int, T] | None = None

    def written(self) -> None:
        """On the writer's thread, when a write is committed. A reader cannot undo it: what he keeps is of the writes he knew."""
        self._writes += 1

    @property
    def known(self) -> bool:
        """Whether `value` answers at once."""
        return self._kept is not None and self._kept[0] == self._writes

    async def value(self) -> T:
        """Raises StoreError."""
        kept = self._kept
        if kept is None or kept[0] != self._writes:
            self._kept = kept = (self._writes, await self._read())
        return kept[1]
