"""The gateway's client: one exchange at a time on a connection to an engine or to the controller.

Who asks is told in the loop step in which something comes, once per read: no task, no queue, no future in between.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, cast

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
KEPT_BACK = HOP_BY_HOP | GATEWAYS
# An answer's head, with all that comes before it, is at most so long.
HEAD_BYTES = 64 * 1024
# A larger body is not copied to stand in one piece with its head.
JOINED_BYTES = 64 * 1024


class Broken(OSError):
    """The upstream could not be reached, or went away before its answer was whole."""


class Unreached(Broken):
    """Nobody listens there; nothing was sent."""


class Stale(Broken):
    """A connection that had served before was closed before a byte of an answer came: the request may be sent again."""


class Asker(Protocol):
    """Who asked."""

    def heard(self, data: bytes) -> None:
        """The answer's head is there, and this more of its body; `Upstream.whole` tells whether it was the last."""

    def broken(self, error: Broken) -> None:
        """No more will come."""


class Upstream(asyncio.Protocol):
    """A connection. Close it whatever happens: that aborts the upstream's work at once.

    `spent`: it may be used again. This exchange's answer is whole, nothing came after it, and both sides want to.
    """

    __slots__ = (
        "_asker", "_bodiless", "_early", "_excess", "_gone", "_head", "_heard", "_parser", "_pieces", "_stopped", "_transport",
        "_used", "headers", "left", "spent", "status", "whole",
    )

    def __init__(self) -> None:
        self.status = 0
        self.headers: Headers = []
        self.whole = True
        self.spent = self._used = self._stopped = False
        self._gone: Broken | None = None
        # Told when the other side closes it while it waits for its next exchange.
        self.left: Callable[[Upstream], None] | None = None
        self._asker: Asker | None = None
        self._pieces: list[bytes] = []
        self._head = self._heard = self._bodiless = self._excess = False
        self._early = 0
        self._parser: Any = httptools.HttpResponseParser(self)

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

    @property
    def usable(self) -> bool:
        return self._gone is None and not self._transport.is_closing()

    # The exchange.

    def ask(self, asker: Asker, head: bytes, body: bytes, *, bodiless: bool = False) -> None:
        """Send a request; `bodiless`: its answer has no body whatever it says. Raises Broken."""
        if self._gone is not None:
            raise self._gone
        self._asker, self._bodiless = asker, bodiless
        self.status, self.headers, self._early = 0, [], 0
        self.whole = self.spent = self._head = self._heard = self._excess = False
        if len(body) < JOINED_BYTES:
            self._transport.write(head + body)
        else:
            self._transport.write(head)
            self._transport.write(body)

    def flow(self, on: bool) -> None:
        """Read on, or no more until then: whoever gets it cannot take it."""
        if self._gone is None and self._stopped is on:
            self._stopped = not on
            with contextlib.suppress(RuntimeError):
                (self._transport.resume_reading if on else self._transport.pause_reading)()

    def close(self) -> None:
        self._asker = None
        if self._gone is None:
            with contextlib.suppress(RuntimeError):
                self._transport.abort()

    # asyncio's side.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not an isinstance: uvloop's transport is none of asyncio's classes.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if self._asker is None:
            self._break("the upstream sent more than its answer")
            return
        self._heard = True
        wrong = ""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            wrong, self._excess = f"the upstream's answer is not HTTP: {error.__context__ or error}", True
        except httptools.HttpParserUpgrade:
            wrong, self._excess = "the upstream wants to speak something else than HTTP", True
        if self._head:
            self._tell()
        else:
            self._early += len(data)
            if self._early > HEAD_BYTES:
                wrong = wrong or "the upstream's head is too large"
        if wrong:
            self._break(wrong)

    def eof_received(self) -> bool:
        if self._asker is not None and self._head and not self.whole and _until_end(self.headers):
            self.whole = True
            self._tell()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._lose(Broken(str(exc) if exc is not None else "the upstream closed the connection too early"))
        self._parser = None  # It knows us and we know it: without this the two would stay.

    def _tell(self) -> None:
        """What this read brought."""
        pieces, asker = self._pieces, self._asker
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        if self.whole:
            self._asker, self._used = None, True
            self.spent = self.spent and not self._bodiless and not self._excess
            if self._stopped:
                self.flow(True)
        if asker is not None:
            asker.heard(data)

    def _break(self, why: str) -> None:
        self._transport.abort()
        self._lose(Broken(why))

    def _lose(self, error: Broken) -> None:
        asker, self._asker, self.spent = self._asker, None, False
        if self._gone is None:
            self._gone = error
        if self.left is not None:
            self.left(self)
        if asker is not None:
            asker.broken(Stale(str(error)) if self._used and not self._heard else error)

    # The parser's side.

    def on_message_begin(self) -> None:
        self._excess = self.whole

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._head:  # What comes later is a trailer.
            self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        if self._head:
            return
        status = self._parser.get_status_code()
        if status < 200:
            self.headers = []
            return
        coded = [value for name, value in self.headers if name == b"transfer-encoding"]
        if coded and (len(coded) > 1 or coded[0].strip().lower() != b"chunked"):
            raise ValueError("a Transfer-Encoding that is not served")
        self.status, self._head = status, True
        self.whole = self._bodiless

    def on_body(self, data: bytes) -> None:
        if not self.whole:
            self._pieces.append(data)

    def on_message_complete(self) -> None:
        if self._head and not self.whole:
            self.whole, self.spent = True, self._parser.should_keep_alive()


class Pool:
    """Connections to engines that wait for their next request. Each is given out to one request at a time."""

    def __init__(self, size: int = 256) -> None:
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


def head(method: bytes, target: bytes, headers: Headers, size: int) -> bytes:
    """A request's head, for a connection that serves this one only."""
    lines = [b"%b %b HTTP/1.1" % (method, target), *[name + b": " + value for name, value in headers]]
    return b"\r\n".join([*lines, b"content-length: %d" % size, b"connection: close"]) + b"\r\n\r\n"


def passed(headers: Headers) -> Headers:
    """The headers that may cross: neither hop by hop nor named by Connection."""
    return [(name, value) for name, value in headers if name not in HOP_BY_HOP and name not in _named(headers)]


def answered(headers: Headers) -> Headers:
    """The headers of an answer that the client gets: what is the gateway's own is left out."""
    named = _named(headers)
    return [pair for pair in headers if pair[0] not in KEPT_BACK and pair[0] not in named]


def _named(headers: Headers) -> set[bytes] | tuple[()]:
    """What a Connection header takes with it."""
    found = [value for name, value in headers if name == b"connection"]
    return {word.strip().lower() for value in found for word in value.split(b",")} if found else ()


def _until_end(headers: Headers) -> bool:
    return not {name for name, _ in headers} & {b"content-length", b"transfer-encoding"}
