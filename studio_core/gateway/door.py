"""Who may come in, who answers him, and how an error looks."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Awaitable, Callable
from functools import partial

from studio_core.errors import StudioError, Unavailable, WrongMethod
from studio_core.gateway import shape
from studio_core.gateway.answer import LocalAnswer
from studio_core.gateway.auth import Principal, Ring, authorise, ring
from studio_core.gateway.control import Control
from studio_core.gateway.engines import Engines
from studio_core.gateway.errand import send
from studio_core.gateway.flight import Flights
from studio_core.gateway.known import Heads
from studio_core.gateway.passage import PREFIX, Passage
from studio_core.gateway.request import Headers, Request, Serve, Work
from studio_core.gateway.responder import Responder, Wire
from studio_core.gateway.routing import Routing
from studio_core.gateway.table import Policy, Table
from studio_core.routes import CONTROLLER, ENGINE, METRICS_PATH, REQUEST_ID_HEADER, REQUESTS, methods

RETRY_AFTER_S = 5
EXPOSITION = b"text/plain; version=0.0.4; charset=utf-8"
# What else stands in the head of an answer to an allowed page.
ALLOWED = (
    b"access-control-allow-origin: %b\r\nvary: origin\r\naccess-control-expose-headers: " + REQUEST_ID_HEADER.encode() + b"\r\n"
)


class FrontDoor:
    """The door of every connection (`request.Door`). `figures()` are the gateway's own, as an exposition."""

    def __init__(
        self, gateway_id: str, routing: Routing, engines: Engines, passage: Passage, control: Control, local: LocalAnswer,
        figures: Callable[[], Awaitable[bytes]],
    ) -> None:
        self.heads = Heads()
        self._flights = Flights(engines.register.running)
        self._figures = figures
        self._id = gateway_id
        self._numbers = itertools.count(1)
        self._routing = routing
        self._engines = engines
        self._passage = passage
        self._control = control
        self._local = local
        self._callers: tuple[Table | None, Ring] = (None, {})

    @property
    def body_limit(self) -> int:
        return self._routing.table.policy.body_limit

    @property
    def policy(self) -> Policy:
        return self._routing.table.policy

    def admit(self, request: Request) -> Serve:
        """By the head alone. Raises NoKey, Denied, NotFound, WrongMethod."""
        request.id = self._name()
        table = self._routing.table
        if request.admitted is not None and request.admitted[0] is table:
            return request.admitted[1]
        if request.method == "OPTIONS" and self._origin(request) is not None:
            return self._permit
        if self._callers[0] is not table:
            self._callers = table, ring(table.keys)
        principal, row = authorise(request, self._callers[1], table.policy)
        if row.answers == ENGINE:
            passage = request.path.startswith(PREFIX)
            serve = partial(self._passage.serve if passage else self._engines.serve, principal)
            usual = request.keep_alive and request.version == "1.1" and b"origin" not in request.fields
            request.admitted = table, serve, partial(send, self._engines, principal) if usual and not passage else None
            return serve
        if row.answers != CONTROLLER:
            return self._local.serve
        if row.path == METRICS_PATH:
            return partial(self._metrics, principal)
        if row.path.startswith(REQUESTS) and not self._routing.linked:
            return partial(self._flights.serve, principal)
        return partial(self._control.serve, principal)

    def errand(self, request: Request, body: bytes, wire: Wire) -> Work | None:
        admitted = request.admitted
        if admitted is None or admitted[0] is not self._routing.table or admitted[2] is None:
            return None
        return admitted[2](self._name, request, body, wire)

    def refuse(self, request: Request, responder: Responder, error: StudioError) -> None:
        """As a whole answer; in a stream of events as its last event; any other answer that has begun is cut."""
        request.id = request.id or self._name()
        if not responder.started:
            responder.json(error.status, shape.body(request.path, error, request.id), _hints(request, error))
        elif responder.events:
            responder.put(shape.event(request.path, error, request.id))
            responder.finish()

    def common(self, request: Request) -> bytes:
        """Lines of every answer's head: its request's id, and what an allowed page's browser wants to read."""
        request.id = request.id or self._name()
        line = b"x-request-id: %b\r\n" % request.id.encode()
        if b"origin" in request.fields and (origin := self._origin(request)):
            line += ALLOWED % origin.encode("latin-1")
        return line

    async def _metrics(self, principal: Principal, request: Request, responder: Responder) -> None:
        """The controller's and the gateway's own; while the controller is away these alone."""
        ours, theirs = asyncio.ensure_future(self._figures()), b""
        with contextlib.suppress(Unavailable):
            theirs = await self._control.whole(principal, request)
        text = theirs + await ours
        responder.start(200, [(b"content-type", EXPOSITION), (b"content-length", b"%d" % len(text))])
        responder.put(text)
        responder.finish()

    def _name(self) -> str:
        return f"req-{self._id}-{next(self._numbers)}"

    # Browsers.

    def _origin(self, request: Request) -> str | None:
        """The page's origin, if it is an allowed one."""
        origin = request.header(b"origin")
        return origin if origin in self._routing.table.policy.allowed_origins else None

    async def _permit(self, request: Request, responder: Responder) -> None:
        """A browser's question whether an allowed origin may call."""
        responder.start(204, [
            (b"access-control-allow-methods", ", ".join(methods(request.path)).encode()),
            (b"access-control-allow-headers", b"authorization, content-type, x-api-key"),
        ])
        responder.finish()


def _hints(request: Request, error: StudioError) -> Headers:
    """Headers that say what to do about an error."""
    hints: Headers = []
    if error.status in (429, 503):
        hints.append((b"retry-after", b"%d" % RETRY_AFTER_S))
    if error.status == 401:
        hints.append((b"www-authenticate", b"Bearer"))
    if isinstance(error, WrongMethod):
        hints.append((b"allow", ", ".join(methods(request.path)).encode()))
    return hints
