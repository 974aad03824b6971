"""The one tick of the app: as slow as nothing happens, soon when something does, never faster than it can be read."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import Awaitable, Callable

# Two beats are never closer than this.
TICK_S = 0.2
# Ages and figures move once a second.
SECOND_S = 1.0


class Pulse:
    """Calls `beat` every `pace()` seconds, and soon after `hurry`. `run` goes on until it is cancelled."""

    def __init__(self, beat: Callable[[], Awaitable[None]], pace: Callable[[], float]) -> None:
        self._beat, self._pace = beat, pace
        self._news = asyncio.Event()
        self._wanted = math.inf

    def hurry(self, delay: float = 0.0) -> None:
        """Something is to be shown in so many seconds."""
        self._wanted = min(self._wanted, time.monotonic() + delay)
        self._news.set()

    async def run(self) -> None:
        last = time.monotonic()
        while True:
            await self._rest(last)
            self._wanted, last = math.inf, time.monotonic()
            await self._beat()

    async def _rest(self, last: float) -> None:
        while (left := min(last + self._pace(), self._wanted) - time.monotonic()) > 0:
            self._news.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._news.wait()
        # What comes close together is shown together.
        await asyncio.sleep(max(0.0, last + TICK_S - time.monotonic()))
