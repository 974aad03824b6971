"""Writes that nobody waits for and that nothing else may fail with: done now, or, on a full disk, as soon as there is room."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from studio_core.errors import DiskFull, StudioError

RETRY_S = 2.0
# The oldest are given up for the newest.
KEPT = 1000

_log = logging.getLogger(__name__)


class Later:
    """Keeps what could not be written, in its order."""

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], Awaitable[Any]]] = deque(maxlen=KEPT)
        self._task: asyncio.Task[None] | None = None

    async def do(self, write: Callable[[], Awaitable[Any]]) -> None:
        """Now, if that is possible. Never raises a StudioError: what can never be written is logged."""
        if self._waiting or not await _done(write):
            self._waiting.append(write)
            if self._task is None:
                self._task = asyncio.create_task(self._again(), name="later")

    async def stop(self) -> None:
        """Try a last time."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        await self._all()
        if self._waiting:
            _log.warning("%d rows were not written: the disk is full", len(self._waiting))

    async def _again(self) -> None:
        while self._waiting:
            await asyncio.sleep(RETRY_S)
            await self._all()
        self._task = None

    async def _all(self) -> None:
        while self._waiting and await _done(self._waiting[0]):
            self._waiting.popleft()


async def _done(write: Callable[[], Awaitable[Any]]) -> bool:
    """False for a full disk."""
    try:
        await write()
    except DiskFull as error:
        _log.warning("written later: %s", error)
        return False
    except StudioError as error:
        _log.error("not written: %s", error)
    return True
