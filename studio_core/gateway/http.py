"""One connection of a client: requests answered in order, deadlines, and the client's leaving noticed at once."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import cast

from studio_core.errors import BadInput, StudioError
from studio_core.gateway.inbox import BODY, HEAD, IDLE, Inbox
from studio_core.gateway.request import Door, Request
from studio_core.gateway.responder import Responder

DEADLINES = {IDLE: 75.0, HEAD: 10.0, BODY: 30.0}
# What a client may send ahead while its request is answered. Past it reading stops, and its leaving is not seen until then.
AHEAD_BYTES = 64 * 1024
# A retired connection without a request waits so long for one that was sent before its client could know.
RETIRE_IDLE_S = 1.0
# A refused client gets this long to read why, while what it still sends is thrown away: a reset would eat the answer.
LINGER_S = 5.0


class Late(BadInput):
    status, code = 408, "request_timeout"


class Connection(asyncio.Protocol):
    """Feeds an inbox and serves what comes out, one at a time. A client that leaves cancels its request."""

    def __init__(self, door: Door, open_: set[Connection]) -> None:
        self._door = door
        self._open = open_
        self._writable = asyncio.Event()
        self._writable.set()
        self._task: asyncio.Task[None] | None = None
        self._responder: Responder | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._phase = ""
        self._ahead = b""
        self._retired = self._lingering = False

    # asyncio's side.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not an isinstance: uvloop's transport is none of asyncio's classes.
        self._transport = cast("asyncio.Transport", transport)
        peer = transport.get_extra_info("peername")
        self._inbox = Inbox(self._door, str(peer[0]) if peer else "")
        self._open.add(self)
        self._go_on()

    def connection_lost(self, exc: Exception | None) -> None:
        self._open.discard(self)
        self._deadline(None)
        self._writable.set()
        if self._task is not None:
            self._task.cancel()

    def pause_writing(self) -> None:
        self._writable.clear()
        if self._responder is not None:
            self._responder.paused(True)

    def resume_writing(self) -> None:
        self._writable.set()
        if self._responder is not None:
            self._responder.paused(False)

    def eof_received(self) -> bool:
        """Whoever closes his side has left: nothing is generated for nobody."""
        if self._task is not None:
            self._transport.abort()
        return False

    def data_received(self, data: bytes) -> None:
        if self._lingering:
            return
        if self._task is not None:
            self._ahead += data
            if len(self._ahead) > AHEAD_BYTES:
                self._transport.pause_reading()
            return
        self._inbox.feed(data)
        self._go_on()

    def retire(self) -> None:
        """Close when the request under way is answered; one that is on its way to an idle connection still gets here."""
        self._retired = True
        if self._task is None and not self._lingering and self._inbox.phase == IDLE:
            self._deadline(IDLE, RETIRE_IDLE_S)

    async def abandon(self) -> None:
        """Cut the request under way, and wait until it is written down."""
        self._transport.abort()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    # Serving.

    def _go_on(self) -> None:
        """Serve the next whole request, or wait for more of it, but not for ever."""
        if self._inbox.ready:
            self._deadline(None)
            request = self._inbox.ready.popleft()
            request.keep_alive = request.keep_alive and not self._retired
            self._task = asyncio.create_task(self._serve(request))
            return
        if self._inbox.expects:
            self._inbox.expects = False
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if self._inbox.phase != self._phase or self._phase == BODY:
            self._deadline(self._inbox.phase)

    async def _serve(self, request: Request) -> None:
        responder = self._responder = Responder(self._transport, self._writable, request)
        assert request.serve is not None
        try:
            await request.serve(request, responder)
        except asyncio.CancelledError:
            self._transport.abort()
            raise
        except Exception as error:  # The last line: whatever went wrong is an answer, and in the log.
            logging.getLogger(__name__).exception("request %s failed", request.id)
            self._break(request, responder, error)
        finally:
            self._task = self._responder = None
        self._served(request, responder)

    def _break(self, request: Request, responder: Responder, error: Exception) -> None:
        if not responder.started:
            bug = StudioError("an error inside the gateway", type(error).__name__, "see its log")
            self._door.refuse(request, responder, bug)

    def _served(self, request: Request, responder: Responder) -> None:
        if self._transport.is_closing():
            return
        if not responder.finished:
            self._transport.abort()
        elif not request.keep_alive:
            self._linger()
        else:
            ahead, self._ahead = self._ahead, b""
            self._transport.resume_reading()
            if ahead:
                self._inbox.feed(ahead)
            self._go_on()

    def _linger(self) -> None:
        """Say that this was all, and close when the client has seen it."""
        self._lingering = True
        self._transport.resume_reading()
        self._deadline(None)
        with contextlib.suppress(OSError):
            self._transport.write_eof()
        self._timer = asyncio.get_running_loop().call_later(LINGER_S, self._transport.abort)

    def _deadline(self, phase: str | None, seconds: float | None = None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._phase = None, phase or ""
        if phase is not None:
            self._timer = asyncio.get_running_loop().call_later(seconds or DEADLINES[phase], self._late)

    def _late(self) -> None:
        """Nothing came in time: a request that began is answered, an idle connection just ends."""
        if self._inbox.phase == IDLE:
            self._transport.close()
            return
        request = Request("GET", b"", [], "")
        responder = Responder(self._transport, self._writable, request)
        self._door.refuse(request, responder, Late("the request did not arrive in time"))
        self._linger()
