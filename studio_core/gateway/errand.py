"""What most requests are: a known head, a model that serves, a connection that waits, and a short answer in one piece.

Such a request passes in two steps, one per read, without any of what the others need. As soon as it turns out to be more (an answer
in pieces, silence, an engine that is gone, a client that is) it grows into an `Exchange`, which goes on from there. One that asks
for a stream is one as soon as it is on its way to the engine.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from msgspec import UNSET

from studio_core.errors import StudioError
from studio_core.gateway.auth import Principal
from studio_core.gateway.engines import Engines
from studio_core.gateway.inference import NAME_LIMIT, Exchange
from studio_core.gateway.journal import End, Start, outcome, wall
from studio_core.gateway.observation import Observation, read, tokens
from studio_core.gateway.request import Request
from studio_core.gateway.responder import ENDS, Responder, Wire
from studio_core.gateway.table import Way
from studio_core.gateway.upstream import Broken, Upstream
from studio_core.gateway.wish import Wish, peek, with_usage
from studio_core.wire.flight import Flight

# What is longer, body or answer, is the work of an `Exchange`: here both are kept until somebody makes a line of them.
SHORT_BYTES = 16 * 1024
KEEP_ALIVE = ENDS[False, True]
NO_STREAM = Wish()


class Errand:
    """One such request: a `Work` of its connection, the `Asker` of its upstream, an `Entry` of the register."""

    __slots__ = (
        "_answer", "_body", "_ended", "_engines", "_request", "_status", "_upstream", "_way", "_wire", "began", "id", "key",
        "model", "over",
    )

    def __init__(
        self, engines: Engines, key: str | None, name: str, request: Request, body: bytes, wire: Wire, model: str, way: Way,
        upstream: Upstream,
    ) -> None:
        self.began = time.monotonic()
        self.id = name
        self.key = key
        self.model = model
        self.over = False
        self._engines = engines
        self._request = request
        self._body = body
        self._wire = wire
        self._way = way
        self._upstream = upstream

    # As an entry of the register.

    @property
    def received(self) -> int:
        return len(self._body)

    @property
    def sent(self) -> int:
        return len(self._answer)

    def start(self) -> Start:
        began, recipe = wall(self.began), self._way.route.recipe
        return Start(self.id, began, self._request.path, self.model[:NAME_LIMIT], recipe, None, self.key, False)

    def end(self) -> End:
        said, route, status, took = read(self._answer), self._way.route, self._status, self._ended - self.began
        fault = said.fault
        return End(
            self.id, wall(self._ended), status, outcome(status, fault), fault, route.recipe, route.instance, took, took,
            self._request.path, self.model[:NAME_LIMIT], self.key, False, *tokens(said.usage), said.finish,
        )

    def view(self) -> Flight:
        return self._grow().view()

    def cut(self, error: StudioError) -> None:
        self._grow().cut(error)

    # As its upstream's asker.

    def answered(self, data: bytes) -> None:
        head, wire, engines = self._upstream.head, self._wire, self._engines
        if head.events or len(data) > SHORT_BYTES:
            self._grow().heard(data)
            return
        wire.transport.write(b"%bcontent-length: %d\r\nx-request-id: %b\r\n%b%b" % (
            head.opening, len(data), self.id.encode(), KEEP_ALIVE, data,
        ))
        self.over, self._ended, self._status, self._answer = True, time.monotonic(), head.status, data
        engines.give_back(self._way, self._upstream)
        engines.register.end(self)
        wire.free()

    def heard(self, data: bytes) -> None:
        self._grow().heard(data)

    def chunks(self, raw: bytes, pieces: list[bytes]) -> None:
        self._grow().chunks(raw, pieces)

    def broken(self, error: Broken) -> None:
        self._grow().broken(error)

    # As its connection's work.

    def begin(self) -> None:
        """It has."""

    def late(self, now: float) -> float:
        return self._grow().late(now)

    def paused(self, paused: bool) -> None:
        self._grow().paused(paused)

    def cancel(self) -> None:
        self._grow().cancel()

    def _grow(self) -> Exchange:
        """The same as an exchange, which takes its places everywhere."""
        engines, wire = self._engines, self._wire
        grown = exchange(
            engines, self.key, self.id, self._request, self._body, wire, self.model, self._way, self._upstream, NO_STREAM,
            Observation(began=self.began),
        )
        self.over = True
        engines.register.begin(grown)
        self._upstream.pass_on(grown)
        wire.pass_on(grown)
        return grown


def exchange(
    engines: Engines, key: str | None, name: str, request: Request, body: bytes, wire: Wire, model: str, way: Way,
    upstream: Upstream, wish: Wish, seen: Observation,
) -> Exchange:
    """Of a request that is on its way already."""
    request = request.again(body)
    request.id = name
    found = Exchange(engines, key, request, Responder(wire, wire.door, request), seen)
    found.resume(model, wish, way.route, upstream)
    return found


def send(
    engines: Engines, principal: Principal, naming: Callable[[], str], request: Request, body: bytes, wire: Wire
) -> Errand | Exchange | None:
    """On its way to the engine, a stream as an exchange; None where it is none of these. Until then nothing has happened."""
    wish, problem = peek(body)
    model, stream, told = wish.model, wish.stream is True, body
    if problem is not None or type(model) is not str or (len(body) > SHORT_BYTES and not stream):
        return None
    way = engines.routing.plain.get(model)
    if way is None or (upstream := engines.pool.idle(way.target.where)) is None:
        return None
    asks = wish.lacks_usage(request.path)
    if asks:
        if wish.stream_options is not UNSET:
            return None
        told = with_usage(body)
    name = naming()
    upstream.ask(None, b"POST %b HTTP/1.1\r\n%b%bx-request-id: %b\r\ncontent-length: %d\r\n\r\n" % (
        request.target, way.target.lines, request.shown, name.encode(), len(told),
    ), told)
    # Whatever else there is to do is done while the engine works.
    key = principal.id or None
    work: Errand | Exchange
    if stream:
        work = exchange(engines, key, name, request, body, wire, model, way, upstream, wish, Observation(asks))
    else:
        work = Errand(engines, key, name, request, body, wire, model, way, upstream)
    upstream.tell(work)
    engines.routing.enter(way.instance)
    engines.register.begin(work)
    return work
