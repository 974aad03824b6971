"""Waiting for a change without polling."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Bell:
    """Rings at every change; a waiter looks again each time."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def ring(self) -> None:
        self._event.set()
        self._event = asyncio.Event()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Return as soon as the condition holds."""
        while not condition():
            await self._event.wait()
