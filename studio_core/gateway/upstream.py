"""The gateway's client: one exchange at a time on a connection to an engine or to the controller.

What arrives is handed on in the loop step in which it came: `pipe` calls its sink from the transport's callback.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import cast

import httptools

from studio_core.gateway.request import Headers
from studio_core.paths import connect
from studio_core.routes import REQUEST_ID_HEADER

CONNECT_S = 5.0
HOP_BY_HOP = frozenset({
    b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"te", b"trailer", b"transfer-encoding",
    b"upgrade", b"proxy-connection",
})
# In an answer these are the gateway's, or say nothing about it.
GATEWAYS = frozenset({REQUEST_ID_HEADER.encode(), b"server", b"date"})
# What `chunks` keeps for a reader that is slower than the upstream.
KEPT_BYTES = 256 * 1024


class Broken(OSError):
    """The upstream could not be reached, or went away before its answer was whole."""


class Unreached(Broken):
    """Nobody listens there; nothing was sent."""


class Stale(Broken):
    """A connection that had served before was closed before a byte of an answer came: the request may be sent again."""


class Upstream(asyncio.Protocol):
    """One exchange. Close it whatever happens: that aborts the upstream's work at once."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: Headers = []
        # Whether it may be used again: this exchange's answer is whole, nothing came after it, and both sides want to.
        self.spent = False
        self._used = False
        self._gone: Broken | None = None
        self._left: Callable[[Upstream], None] | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self._reset(bodiless=False)
        self._whole = True

    def _reset(self, bodiless: bool) -> None:
        self.status, self.headers = 0, []
        self._parser = httptools.HttpResponseParser(self)
        self._waiter: asyncio.Future[None] | None = None
        self._sink: Callable[[bytes], None] | None = None
        self._kept: deque[bytes] = deque()
        self._bytes = 0
        self._heard = self._head = self._whole = self.spent = False
        self._bodiless = bodiless

    @classmethod
    async def open(cls, where: tuple[str, int] | Path) -> Upstream:
        """Raises Unreached."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_S):
                if isinstance(where, Path):
                    # Without a timeout: a local socket answers at once, or says that its queue is full.
                    _, made = await loop.create_unix_connection(cls, sock=connect(where, timeout=0.0))
                else:
                    _, made = await loop.create_connection(cls, *where)
                return made
        except (OSError, TimeoutError) as error:
            raise Unreached(f"cannot connect: {error}") from error

    def idle(self, left: Callable[[Upstream], None] | None) -> None:
        """It waits for its next exchange; `left` is told when the other side closes it meanwhile."""
        self._left = left

    @property
    def usable(self) -> bool:
        return self._gone is None and not self._transport.is_closing()

    # The exchange.

    async def send(self, method: str, target: bytes, headers: Headers, body: bytes, reuse: bool = False) -> None:
        """Send the request and wait for the head of the answer.

        Raises:
            Stale: on a connection that was used before. Broken.
        """
        used, self._used = self._used, True
        self._reset(bodiless=method == "HEAD")
        lines = [method.encode() + b" " + target + b" HTTP/1.1", *[name + b": " + value for name, value in headers]]
        lines += [b"content-length: %d" % len(body), b"connection: keep-alive" if reuse else b"connection: close"]
        self._reuse = reuse
        try:
            self._transport.write(b"\r\n".join(lines) + b"\r\n\r\n")
            if body:
                self._transport.write(body)
                await self._writable.wait()
            while not self._head:
                await self._news()
        except Broken as error:
            if used and not self._heard:
                raise Stale(str(error)) from error
            raise

    async def pipe(self, sink: Callable[[bytes], None]) -> None:
        """Every piece of the body to `sink`, in the step in which it came, until it is whole. Raises Broken."""
        while self._kept:
            sink(self._kept.popleft())
        self._bytes = 0
        self._sink = sink
        self.flow(True)
        while not self._whole:
            await self._news()

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it comes, for a reader with a pace of its own. Raises Broken when it ends too early."""
        while True:
            while self._kept:
                data = self._kept.popleft()
                self._bytes -= len(data)
                yield data
            if self._whole:
                return
            self.flow(True)
            await self._news()

    def flow(self, on: bool) -> None:
        """Read on, or no more until then: whoever gets it cannot take it."""
        if not self._whole and self._gone is None:
            with contextlib.suppress(RuntimeError):
                (self._transport.resume_reading if on else self._transport.pause_reading)()

    async def _news(self) -> None:
        if self._gone is not None:
            raise self._gone
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    @property
    def events(self) -> bool:
        """Whether the answer is a stream of events."""
        return any(name == b"content-type" and value.startswith(b"text/event-stream") for name, value in self.headers)

    def close(self) -> None:
        if self._gone is None:
            with contextlib.suppress(RuntimeError):
                self._transport.abort()

    # asyncio's side.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not an isinstance: uvloop's transport is none of asyncio's classes.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if self._whole:
            self._break("the upstream sent more than its answer")
            return
        self._heard = True
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._break(f"the upstream's answer is not HTTP: {error}")
        self._wake()

    def eof_received(self) -> bool:
        if self._head and not self._whole and self._until_end():
            self._finish()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        if self._gone is None:
            self._gone = Broken(str(exc) if exc is not None else "the upstream closed the connection too early")
        self.spent = False
        self._writable.set()
        if self._left is not None:
            self._left(self)
        self._wake()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def _break(self, why: str) -> None:
        self._gone, self.spent = Broken(why), False
        self._transport.abort()
        self._wake()

    # The parser's side.

    def on_message_begin(self) -> None:
        if self._whole:
            self._break("the upstream sent more than its answer")
        self.headers = self.headers if self._head else []

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._head:  # What comes later is a trailer.
            self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status >= 200 and not self._head:
            self.status, self._head = status, True
            if self._bodiless:
                self._finish()

    def on_body(self, data: bytes) -> None:
        if self._whole:
            return
        if self._sink is not None:
            self._sink(data)
            return
        self._kept.append(data)
        self._bytes += len(data)
        if self._bytes > KEPT_BYTES:
            self.flow(False)

    def on_message_complete(self) -> None:
        if self._head and not self._whole:
            self._finish()

    def _finish(self) -> None:
        self._whole = True
        self.spent = self._reuse and not self._bodiless and not self._until_end() and self._parser.should_keep_alive()
        with contextlib.suppress(RuntimeError):
            self._transport.resume_reading()
        self._wake()

    def _until_end(self) -> bool:
        return not {name for name, _ in self.headers} & {b"content-length", b"transfer-encoding"}


class Pool:
    """Connections to engines that wait for their next request. Each is given out to one request at a time."""

    def __init__(self, size: int = 256) -> None:
        self._size = size
        self._idle: dict[tuple[str, int], deque[Upstream]] = {}

    async def take(self, where: tuple[str, int], fresh: bool = False) -> Upstream:
        """One that waits, the latest first, else a new one; only a new one if `fresh`. Raises Unreached."""
        waiting = self._idle.get(where)
        while waiting and not fresh:
            found = waiting.pop()
            found.idle(None)
            if found.usable:
                return found
        return await Upstream.open(where)

    def give(self, where: tuple[str, int], one: Upstream) -> None:
        """Back from an exchange: kept if it may be used again, else closed."""
        waiting = self._idle.setdefault(where, deque())
        if not one.spent or not one.usable or len(waiting) >= self._size:
            one.close()
            return
        one.idle(lambda gone: self._forget(where, gone))
        waiting.append(one)

    def _forget(self, where: tuple[str, int], gone: Upstream) -> None:
        with contextlib.suppress(KeyError, ValueError):
            self._idle[where].remove(gone)
            if not self._idle[where]:
                del self._idle[where]


def passed(headers: Headers) -> Headers:
    """The headers that may cross: neither hop by hop nor named by Connection."""
    named = {
        word.strip().lower() for name, value in headers if name == b"connection" for word in value.split(b",")
    }
    return [(name, value) for name, value in headers if name not in HOP_BY_HOP and name not in named]


def answered(upstream: Upstream) -> Headers:
    """The headers of an answer that the client gets: what is the gateway's own is left out."""
    return [(name, value) for name, value in passed(upstream.headers) if name not in GATEWAYS]
