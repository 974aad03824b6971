"""One connection of a client: requests answered in order, deadlines, and the client's leaving noticed at once."""

from __future__ import annotations

import asyncio
import contextlib
import os
from types import CoroutineType
from typing import cast

from studio_core.errors import BadInput
from studio_core.gateway.inbox import BODY, HEAD, IDLE, Inbox
from studio_core.gateway.request import Door, Request, Work
from studio_core.gateway.responder import Chore, Responder
from studio_core.gateway.wheel import Wheel

# Beside the inbox's: a request is being answered, or one was refused that the client may still be sending.
SERVING, LINGERING = "serving", "lingering"
# A body that comes more slowly than this, over all, is cut like one that stalls.
FLOOR_BYTES_S = 1024
# So long after its begin an answer is asked first whether it is late.
WORK_S = 0.25
# What a client may send ahead while its request is answered. Past it reading stops, and its leaving is not seen until then.
AHEAD_BYTES = 64 * 1024
# A retired connection without a request waits so long for one that was sent before its client could know.
RETIRE_IDLE_S = 1.0
# Of what a client has sent when it is let in so much is read at once.
FIRST_BYTES = 16 * 1024
# A refused client gets this long to read why, while what it still sends is thrown away: a reset would eat the answer.
LINGER_S = 5.0


class Late(BadInput):
    status, code = 408, "request_timeout"


class Connection(asyncio.Protocol):
    """Feeds an inbox and serves what comes out, one at a time. A client that leaves cancels its request."""

    __slots__ = (
        "_ahead", "_awaited", "_inbox", "_open", "_phase", "_read", "_retired", "_since", "_taking", "_wheel", "_work",
        "door", "due", "transport",
    )

    def __init__(self, door: Door, open_: set[Connection], wheel: Wheel) -> None:
        self.due = self._since = self._read = 0.0
        self.door = door
        self._open = open_
        self._wheel = wheel
        self._work: Work | None = None
        self._phase = ""
        self._ahead = b""
        self._retired = self._taking = False
        # Who waits for the client to read: there while it does not.
        self._awaited: asyncio.Future[None] | None = None

    # asyncio's side.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not an isinstance: uvloop's transport is none of asyncio's classes.
        self.transport = cast("asyncio.Transport", transport)
        plain = transport.get_extra_info("sslcontext") is None
        if plain:  # TLS takes a limit of 0 for one that is always reached.
            # What is written goes out at once, not when all of this step has been read: a batch's tokens would wait for each other.
            self.transport.set_write_buffer_limits(0)
        peer = transport.get_extra_info("peername")
        self._inbox = Inbox(self.door, str(peer[0]) if peer else "", self._errand)
        self._open.add(self)
        self._wheel.add(self)
        data = _sent(transport) if plain else b""
        if data:
            self.data_received(data)
        else:
            self._go_on()

    def connection_lost(self, exc: Exception | None) -> None:
        self._open.discard(self)
        self._wheel.discard(self)
        self._inbox.close()
        self.resume_writing()
        if self._work is not None:
            self._work.cancel()
            self._work = None  # They know each other: without this the two would stay.

    def pause_writing(self) -> None:
        self._awaited = asyncio.get_running_loop().create_future()
        if self._work is not None:
            self._work.paused(True)

    def resume_writing(self) -> None:
        awaited, self._awaited = self._awaited, None
        if awaited is not None and not awaited.done():
            awaited.set_result(None)
            if self._work is not None:
                self._work.paused(False)

    async def writable(self) -> None:
        if self._awaited is not None:
            await asyncio.shield(self._awaited)

    def eof_received(self) -> bool:
        """Whoever closes his side has left: nothing is generated for nobody."""
        if self._work is not None:
            self.transport.abort()
        return False

    def data_received(self, data: bytes) -> None:
        if self._work is not None:
            self._ahead += data
            if len(self._ahead) > AHEAD_BYTES:
                self.transport.pause_reading()
        elif self._phase is not LINGERING:
            self._inbox.feed(data)
            if self._work is None:
                self._go_on()

    # The end.

    def retire(self) -> None:
        """Close when the request under way is answered; one that is on its way to an idle connection still gets here."""
        self._retired = True
        if self._phase is IDLE:
            self._since = self.due = self._wheel.now

    async def abandon(self) -> None:
        """Cut the request under way, and wait until it is written down."""
        work, self._work = self._work, None
        self.transport.abort()
        if work is not None and (rest := work.cancel()) is not None:
            await asyncio.gather(rest, return_exceptions=True)

    # Serving.

    def _go_on(self) -> None:
        """Serve the next whole request, or wait for more of it, but not for ever."""
        if self._taking:
            return  # Called by a request that was over at once: the loop below goes on.
        ready, self._taking = self._inbox.ready, True
        try:
            while ready and self._work is None and self._phase is not LINGERING:
                self._serve(ready.popleft())
        finally:
            self._taking = False
        if self._work is None and self._phase is not LINGERING:
            self._wait(self._inbox)

    def _wait(self, inbox: Inbox) -> None:
        """The wheel asks until when."""
        if inbox.expects:
            inbox.expects = False
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if inbox.phase is not self._phase:
            self._phase = inbox.phase
            self._since = self.due = self._wheel.now
        self._read = self._wheel.now

    def _until(self, inbox: Inbox) -> float:
        """When the next bytes have to be here; of a body so many in all, however they are spread."""
        policy = self.door.policy
        if self._phase is BODY:
            return min(self._read, self._since + inbox.size / FLOOR_BYTES_S) + policy.body_s
        if self._phase is HEAD:
            return self._since + policy.head_s
        return self._since + (RETIRE_IDLE_S if self._retired else policy.idle_s)

    def _serve(self, request: Request) -> None:
        if self._retired:
            request.keep_alive = False
        responder = Responder(self, self.door, request)
        assert request.serve is not None
        answer = request.serve(request, responder)
        work: Work = Chore(answer, responder) if type(answer) is CoroutineType else answer  # type: ignore[assignment]
        self._work, self._phase, self.due = work, SERVING, self._wheel.now + WORK_S
        work.begin()
        if self._awaited is not None and self._work is work:
            work.paused(True)

    def _errand(self, request: Request, body: bytes) -> bool:
        """Whether it is under way already."""
        if self._retired or self._awaited is not None:
            return False
        errand = self.door.errand(request, body, self)
        if errand is None:
            return False
        self._work, self._phase, self.due = errand, SERVING, self._wheel.now + WORK_S
        return True

    def pass_on(self, work: Work) -> None:
        """See Wire."""
        self._work = work

    def free(self) -> None:
        """See Wire."""
        self._work = None
        if self._ahead:
            self._feed_ahead()
            self._go_on()
        else:
            self._phase, self._since = IDLE, self._wheel.now
            self.due = self._since

    def served(self, request: Request, responder: Responder) -> None:
        """See Wire."""
        self._work = None
        if self.transport.is_closing():
            return
        if not responder.finished:
            self.transport.abort()
        elif not request.keep_alive:
            self._linger()
        else:
            if self._ahead:
                self._feed_ahead()
            self._go_on()

    def _feed_ahead(self) -> None:
        ahead, self._ahead = self._ahead, b""
        self.transport.resume_reading()
        self._inbox.feed(ahead)

    def _linger(self) -> None:
        """Say that this was all, and close when the client has seen it."""
        self._phase, self._ahead = LINGERING, b""
        self.due = self._wheel.now + LINGER_S
        self.transport.resume_reading()
        if self.transport.can_write_eof():
            with contextlib.suppress(OSError):
                self.transport.write_eof()
        else:  # TLS says it by its own closing, and goes on reading meanwhile.
            self.transport.close()

    def late(self, now: float) -> None:
        """Look at what should have come: a request that began is answered, an idle connection just ends."""
        if self._work is not None:
            self.due = self._work.late(now)
        elif self._phase is LINGERING:
            self.transport.abort()
        elif (until := self._until(self._inbox)) > now:
            self.due = until
        elif self._phase is IDLE:
            self.transport.close()
        else:
            request = Request("GET", b"", [], "")
            self.door.refuse(request, Responder(self, self.door, request), Late("the request did not arrive in time"))
            self._linger()


def _sent(transport: asyncio.BaseTransport) -> bytes:
    """What is there already: on a busy gateway the loop would come to it a step later, after all that streams."""
    client = transport.get_extra_info("socket")
    try:
        return b"" if client is None else os.read(client.fileno(), FIRST_BYTES)
    except OSError:
        return b""  # Nothing yet, or no more: the loop will tell.
