"""The answer to one request, as bytes on its connection."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Coroutine
from typing import Any, Protocol

import msgspec

from studio_core.errors import StudioError
from studio_core.gateway.frame import LAST
from studio_core.gateway.head import EVENT_STREAM, Head, first_line, lines
from studio_core.gateway.request import Door, Headers, Request, Work

BODILESS = frozenset({204, 304})
# The end of a head, by whether the body is chunked and whether the connection goes on.
ENDS = {
    (chunked, keep): (b"transfer-encoding: chunked\r\n" if chunked else b"")
    + (b"connection: keep-alive\r\n\r\n" if keep else b"connection: close\r\n\r\n")
    for chunked in (True, False) for keep in (True, False)
}


class Wire(Protocol):
    """The connection that an answer goes to."""

    transport: asyncio.Transport
    door: Door

    async def writable(self) -> None:
        """Until the client reads."""

    def served(self, request: Request, responder: Responder) -> None:
        """The answer is over, whole or not."""

    def free(self) -> None:
        """The answer is over, and the connection goes on."""

    def pass_on(self, work: Work) -> None:
        """Somebody else is at work on the request."""


class Responder:
    """Chunked unless a Content-Length was given; HTTP/1.0 gets the plain bytes until close.

    What is started and put goes out with the next `flush` or `finish`, in one piece.
    `events`: the answer is a stream of events, and may end with one more.
    """

    __slots__ = ("_out", "chunked", "door", "events", "finished", "request", "started", "wire")

    def __init__(self, wire: Wire, door: Door, request: Request) -> None:
        self.wire = wire
        self.door = door
        self.request = request
        self.started = self.finished = self.events = False
        self.chunked = False
        self._out: list[bytes] = []

    def start(self, status: int, headers: Headers) -> None:
        """With headers that nobody knows yet."""
        kind = next((value for name, value in headers if name == b"content-type"), b"")
        sized = any(name == b"content-length" for name, _ in headers)
        self.begin(status, lines(headers), sized=sized, events=kind.startswith(EVENT_STREAM))

    def begin(self, status: int, head: bytes, *, sized: bool, events: bool) -> None:
        """`head`: its lines, among them the length of a body that is `sized`."""
        request = self.request
        if status in BODILESS:
            sized = True
        chunked = self.chunked = not sized and request.version == "1.1"
        if not sized and not chunked:
            request.keep_alive = False
        self.events, self.started = events, True
        self._out.append(b"%b%b%b%b" % (first_line(status), head, self.door.common(request), ENDS[chunked, request.keep_alive]))

    @property
    def opens(self) -> bool:
        """Whether it may begin with chunks as they come."""
        return not self.started and self.request.version == "1.1"

    def open(self, head: Head, chunks: bytes) -> None:
        """Begin a stream of events, at once with its first chunks."""
        request = self.request
        end = ENDS[True, request.keep_alive]
        self.wire.transport.write(b"%b%b%b%b" % (head.opening, self.door.common(request), end, chunks))
        self.started = self.events = self.chunked = True

    def put(self, data: bytes) -> None:
        if data and self.request.method != "HEAD":
            if self.chunked:
                self._out += (b"%x\r\n" % len(data), data, b"\r\n")
            else:
                self._out.append(data)

    def relay(self, chunks: bytes, *, last: bool) -> None:
        """More of a chunked body as it came, in chunks; with the `last` it is whole."""
        self._out.append(chunks)
        self.finished = last
        self.flush()

    def flush(self) -> None:
        """Send what is there; never waits."""
        out = self._out
        if out:
            self._out = []
            self.wire.transport.write(out[0] if len(out) == 1 else b"".join(out))

    async def write(self, data: bytes) -> None:
        """Send; waits while the client does not read."""
        self.put(data)
        self.flush()
        await self.wire.writable()

    def finish(self) -> None:
        """The answer is whole. One that is not finished ends with its connection, so that nobody takes it for whole."""
        if self.finished:
            return
        self.finished = True
        if self.chunked and self.request.method != "HEAD":
            self._out.append(LAST)
        self.flush()

    def json(self, status: int, body: Any, headers: Headers | None = None) -> None:
        """A whole answer at once."""
        data = msgspec.json.encode(body)
        self.start(status, [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(data)), *(headers or [])])
        self.put(data)
        self.finish()

    # The end.

    def refuse(self, error: StudioError) -> None:
        """Answer with an error, or end with one what has begun."""
        self.door.refuse(self.request, self, error)

    def crash(self, error: Exception) -> None:
        """The last line: whatever went wrong in here is an answer, and in the log."""
        logging.getLogger(__name__).error("request %s failed", self.request.id, exc_info=error)
        if not self.started:
            self.refuse(StudioError("an error inside the gateway", type(error).__name__, "see its log"))

    def done(self) -> None:
        """Nothing comes any more: the connection goes on, or is cut when this was not whole."""
        self.wire.served(self.request, self)


class Chore:
    """A coroutine's answer, as its connection's work."""

    def __init__(self, answer: Coroutine[Any, Any, None], responder: Responder) -> None:
        self._answer = answer
        self._responder = responder
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        self._task = asyncio.create_task(self._run())

    def late(self, now: float) -> float:
        """A coroutine minds its own time."""
        return math.inf

    def paused(self, paused: bool) -> None:
        """It asks the responder."""

    def cancel(self) -> asyncio.Task[None] | None:
        if self._task is not None:
            self._task.cancel()
        return self._task

    async def _run(self) -> None:
        try:
            await self._answer
        except StudioError as error:
            self._responder.refuse(error)
        except Exception as error:  # noqa: BLE001 - it is in the log then
            self._responder.crash(error)
        self._responder.done()
