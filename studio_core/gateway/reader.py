"""An upstream's answer for a coroutine, which takes it at its own pace: control paths, and an engine's own paths."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from pathlib import Path

from studio_core.gateway.head import answered, asking
from studio_core.gateway.request import Headers
from studio_core.gateway.upstream import Broken, Upstream

# What is kept for a reader that is slower than the upstream.
KEPT_BYTES = 256 * 1024


class Reader:
    """One exchange on a connection of its own. Close it whatever happens."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._kept: deque[bytes] = deque()
        self._bytes = 0
        self._begun = False
        self._error: Broken | None = None
        self._waiter: asyncio.Future[None] | None = None

    @classmethod
    async def open(cls, where: tuple[str, int] | Path) -> Reader:
        """Raises Unreached."""
        return cls(await Upstream.open(where))

    @property
    def status(self) -> int:
        return self._upstream.head.status

    @property
    def headers(self) -> Headers:
        """What of the answer's head the client gets."""
        return answered(self._upstream.head.headers)

    async def send(self, method: str, target: bytes, headers: Headers, body: bytes) -> None:
        """Send the request and wait for the head of the answer. Raises Broken."""
        lines = asking(method.encode(), target, headers, len(body))
        self._upstream.ask(self, lines, body, bodiless=method == "HEAD")
        while not self._begun:
            await self._news()

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body as it comes. Raises Broken when it ends too early."""
        while True:
            while self._kept:
                data = self._kept.popleft()
                self._bytes -= len(data)
                yield data
            if self._upstream.whole:
                return
            self._upstream.flow(True)
            await self._news()

    def close(self) -> None:
        self._upstream.close()

    async def _news(self) -> None:
        if self._error is not None:
            raise self._error
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    # The upstream's side.

    def heard(self, data: bytes) -> None:
        self._begun = True
        if data:
            self._kept.append(data)
            self._bytes += len(data)
            if self._bytes > KEPT_BYTES and not self._upstream.whole:
                self._upstream.flow(False)
        self._wake()

    def answered(self, data: bytes) -> None:
        self.heard(data)

    def chunks(self, raw: bytes, pieces: list[bytes]) -> None:
        self.heard(b"".join(pieces))

    def broken(self, error: Broken) -> None:
        self._error = error
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
