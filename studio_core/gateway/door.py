"""Who may come in, who answers him, and how an error looks."""

from __future__ import annotations

import itertools
from functools import partial

from studio_core.errors import StudioError, WrongMethod
from studio_core.gateway import shape
from studio_core.gateway.answer import LocalAnswer
from studio_core.gateway.auth import authorise
from studio_core.gateway.control import Control
from studio_core.gateway.inference import Engines
from studio_core.gateway.passage import PREFIX, Passage
from studio_core.gateway.request import Headers, Request, Serve
from studio_core.gateway.responder import Responder
from studio_core.gateway.routing import Routing
from studio_core.routes import CONTROLLER, ENGINE, REQUEST_ID_HEADER, methods

RETRY_AFTER_S = 5


class FrontDoor:
    """The door of every connection (`request.Door`)."""

    def __init__(
        self, gateway_id: str, routing: Routing, engines: Engines, passage: Passage, control: Control, local: LocalAnswer
    ) -> None:
        self._id = gateway_id
        self._numbers = itertools.count(1)
        self._routing = routing
        self._engines = engines
        self._passage = passage
        self._control = control
        self._local = local

    @property
    def body_limit(self) -> int:
        return self._routing.table.policy.body_limit

    def admit(self, request: Request) -> Serve:
        """By the head alone. Raises NoKey, Denied, NotFound, WrongMethod."""
        self._name(request)
        if self._asks_for_permission(request):
            return self._permit
        table = self._routing.table
        principal, row = authorise(request, table.keys, table.policy)
        if row.answers == ENGINE:
            engine = self._passage if request.path.startswith(PREFIX) else self._engines
            return partial(self._serve, partial(engine.serve, principal))
        if row.answers == CONTROLLER:
            return partial(self._serve, partial(self._control.serve, principal))
        return partial(self._serve, self._local.serve)

    def refuse(self, request: Request, responder: Responder, error: StudioError) -> None:
        """As a whole answer; in a stream of events as its last event; any other answer that has begun is cut."""
        self._name(request)
        responder.common = self._common(request)
        if not responder.started:
            responder.json(error.status, shape.body(request.path, error, request.id), _hints(request, error))
        elif responder.events:
            responder.put(shape.event(request.path, error, request.id))
            responder.finish()

    async def _serve(self, serve: Serve, request: Request, responder: Responder) -> None:
        responder.common = self._common(request)
        try:
            await serve(request, responder)
        except StudioError as error:
            self.refuse(request, responder, error)

    def _name(self, request: Request) -> None:
        request.id = request.id or f"req-{self._id}-{next(self._numbers)}"

    # Browsers.

    def _origin(self, request: Request) -> str | None:
        """The page's origin, if it is an allowed one."""
        origin = request.header(b"origin")
        return origin if origin in self._routing.table.policy.allowed_origins else None

    def _common(self, request: Request) -> Headers:
        common: Headers = [(REQUEST_ID_HEADER.encode(), request.id.encode())]
        if origin := self._origin(request):
            common += [
                (b"access-control-allow-origin", origin.encode("latin-1")), (b"vary", b"origin"),
                (b"access-control-expose-headers", REQUEST_ID_HEADER.encode()),
            ]
        return common

    def _asks_for_permission(self, request: Request) -> bool:
        return request.method == "OPTIONS" and self._origin(request) is not None

    async def _permit(self, request: Request, responder: Responder) -> None:
        """A browser's question whether an allowed origin may call."""
        responder.common = self._common(request)
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
