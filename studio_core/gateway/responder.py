"""The answer to one request, as bytes on its connection."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import msgspec

from studio_core.gateway.request import Headers, Request

PHRASES = {int(status): status.phrase for status in HTTPStatus}
EVENT_STREAM = b"text/event-stream"
BODILESS = frozenset({204, 304})


@dataclass(slots=True)
class Responder:
    """Chunked unless a Content-Length was given; HTTP/1.0 gets the plain bytes until close.

    `common` goes with every head. `events`: the answer is a stream of events, and may end with one more.
    """

    transport: asyncio.Transport
    writable: asyncio.Event
    request: Request
    common: Headers = field(default_factory=list)
    started: bool = False
    finished: bool = False
    events: bool = False
    _chunked: bool = False
    _flow: Callable[[bool], None] | None = None

    def start(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> None:
        lines = [*headers, *self.common]
        sized = status in BODILESS or any(name == b"content-length" for name, _ in lines)
        self._chunked = not sized and self.request.version == "1.1"
        if self._chunked:
            lines.append((b"transfer-encoding", b"chunked"))
        elif not sized:
            self.request.keep_alive = False
        lines.append((b"connection", b"keep-alive" if self.request.keep_alive else b"close"))
        first = b"HTTP/1.1 %d %s" % (status, PHRASES.get(status, "-").encode())
        head = [first, *(name + b": " + value for name, value in lines)]
        self.started = True
        self.events = any(name == b"content-type" and value.startswith(EVENT_STREAM) for name, value in lines)
        self.transport.write(b"\r\n".join(head) + b"\r\n\r\n")

    def put(self, data: bytes) -> None:
        """Send without waiting; for what is small."""
        if data and self.request.method != "HEAD":
            self.transport.write(b"%x\r\n%s\r\n" % (len(data), data) if self._chunked else data)

    def pace(self, flow: Callable[[bool], None] | None) -> None:
        """While the client does not read, `flow(False)` says so to who writes; `flow(True)` when it does again."""
        self._flow = flow
        if flow is not None and not self.writable.is_set():
            flow(False)

    def paused(self, paused: bool) -> None:
        """The transport's buffer is full, or has room again."""
        if self._flow is not None:
            self._flow(not paused)

    async def write(self, data: bytes) -> None:
        """Send; waits while the client does not read."""
        self.put(data)
        await self.writable.wait()

    def finish(self) -> None:
        """The answer is whole. One that is not finished ends with its connection, so that nobody takes it for whole."""
        self.finished = True
        if self._chunked and self.request.method != "HEAD":
            self.transport.write(b"0\r\n\r\n")

    def json(self, status: int, body: Any, headers: Iterable[tuple[bytes, bytes]] = ()) -> None:
        """A whole answer at once."""
        data = msgspec.json.encode(body)
        self.start(status, [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(data)), *headers])
        self.put(data)
        self.finish()
