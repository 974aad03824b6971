"""A request to an engine, from its arrival to its last byte: wait for the model, relay, write it down.

Everything happens in the loop step in which its cause comes: the request goes on in the step that made it whole, a piece of the
answer in the step that read it. Only who has to wait, for a model or for a connection, has a task, and only until then.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Concatenate, ParamSpec

from studio_core.errors import BadInput, StudioError
from studio_core.gateway.filter import told
from studio_core.gateway.head import SSE_HEADERS, Head, lines
from studio_core.gateway.journal import CANCELLED, FAILED, REJECTED, End, Start, outcome, wall
from studio_core.gateway.observation import Observation, tokens
from studio_core.gateway.request import Request
from studio_core.gateway.responder import Responder
from studio_core.gateway.routing import Lease
from studio_core.gateway.table import Route
from studio_core.gateway.upstream import NO_HEAD, Broken, Stale, Unreached, Upstream
from studio_core.gateway.usual import Usual
from studio_core.gateway.wish import OPENAI_STREAMS, Wish, peek
from studio_core.wire.flight import Flight

if TYPE_CHECKING:
    from studio_core.gateway.engines import Engines

SSE_LINES = lines(SSE_HEADERS)
P = ParamSpec("P")
PING = b": ping\n\n"
# So often within the silence that a ping fills it is looked whether anything came: one comes so much later at most.
LOOKS = 8
NAME_LIMIT = 200
# What the relay does with the body of an answer.
NOT_YET, EVENTS, WHOLE, REFUSAL = "not yet", "events", "whole", "refusal"
STATES = {NOT_YET: "prefill", EVENTS: "streaming", WHOLE: "answering", REFUSAL: "answering"}


class Dying(StudioError):
    status, code = 502, "upstream_failed"


def _caught(step: Callable[Concatenate[Exchange, P], None]) -> Callable[Concatenate[Exchange, P], None]:
    """What goes wrong in it is the exchange's end."""

    def safe(self: Exchange, /, *given: P.args, **named: P.kwargs) -> None:
        try:
            step(self, *given, **named)
        except StudioError as error:
            self._fail(error)
        except Exception as error:  # noqa: BLE001 - it is in the log then
            self._crash(error)

    return safe


class Exchange:
    """One request and its answer: a `Work` of its connection, the `Asker` of its upstream, an `Entry` of the register."""

    __slots__ = (
        "_asked_again", "_ended", "_engines", "_heard", "_heard_at", "_lease", "_outcome", "_paused", "_relay", "_request",
        "_responder", "_route", "_said", "_status", "_stream", "_task", "_upstream", "_wish", "id", "key", "model",
        "observation", "over", "path", "received",
    )

    def __init__(
        self, engines: Engines, key: str | None, request: Request, responder: Responder, seen: Observation | None = None
    ) -> None:
        self.id = request.id
        self.key = key
        self.path = request.path
        self.model = ""
        self.observation = seen or Observation()
        self._engines = engines
        self._request = request
        self._responder = responder
        self._route: Route | None = None
        self._upstream: Upstream | None = None
        self._task: asyncio.Task[None] | None = None
        self._relay = NOT_YET
        self._said: list[bytes] = []
        self.received = len(request.body)
        # When a stream was last known to have grown, and to how many bytes.
        self._heard_at, self._heard = self.observation.began, 0
        self._ended = self.observation.began
        self._status, self._outcome = 0, ""
        self.over = self._paused = self._asked_again = False

    def resume(self, model: str, wish: Wish, route: Route, upstream: Upstream) -> None:
        """One that is on its way already: let in, counted, and asked for on that connection."""
        self._wish, self.model, self._stream = wish, model, wish.stream is True
        self._lease = Lease(self._engines.routing, model, route)
        self._route, self._upstream = route, upstream

    # As its connection's work.

    @_caught
    def begin(self) -> None:
        """Let in is written down, and what becomes of it."""
        self._go()

    def late(self, now: float) -> float:
        """Fill a stream's silence. Its headers are held back for a while, so that an early failure keeps its status."""
        policy, seen, responder = self._engines.routing.table.policy, self.observation, self._responder
        pause, look = policy.ping_s, policy.ping_s / LOOKS
        if self._relay is EVENTS or (self._relay is NOT_YET and self._stream):
            if seen.size != self._heard:  # Whoever sends it takes no time to say when.
                self._heard, self._heard_at = seen.size, now
            due = self._heard_at + pause if responder.started else seen.began + policy.hold_headers_s
            if now < due:
                return min(due, now + look)
            if seen.at_boundary:
                if not responder.started:
                    head = NO_HEAD if self._upstream is None else self._upstream.head
                    responder.begin(200, head.lines if head.streams else SSE_LINES, sized=False, events=True)
                responder.put(PING)
                responder.flush()
            self._heard_at = now
        return now + look

    def paused(self, paused: bool) -> None:
        """While the client does not read, nothing is read for it: its buffer is the transport's, and no more."""
        self._paused = paused
        if self._upstream is not None:
            self._upstream.flow(not paused)

    def cancel(self) -> None:
        """The client has left: nothing is generated for nobody."""
        self._end(499, CANCELLED, None)

    # As an entry of the register.

    @property
    def began(self) -> float:
        return self.observation.began

    @property
    def sent(self) -> int:
        return self.observation.size

    def start(self) -> Start:
        began, model = wall(self.began), self.model[:NAME_LIMIT] or None
        return Start(self.id, began, self.path, model, self._recipe, None, self.key, self._stream)

    def end(self) -> End:
        seen, ended, model = self.observation, self._ended, self.model[:NAME_LIMIT] or None
        instance = self._route.instance if self._route is not None else None
        return End(
            self.id, wall(ended), self._status, self._outcome, seen.error, self._recipe, instance, seen.ttft, ended - seen.began,
            self.path, model, self.key, self._stream, *tokens(seen.usage), seen.finish, seen.chunks,
        )

    @property
    def _recipe(self) -> str | None:
        """Whose it is, or would have been."""
        route = self._route or self._engines.routing.lookup(self.model)
        return route.recipe if route is not None else None

    def view(self) -> Flight:
        route, seen = self._route, self.observation
        state = "waiting" if route is None else STATES[self._relay]
        return Flight(
            id=self.id, age_s=time.monotonic() - seen.began, state=state, model=self.model[:NAME_LIMIT],
            path=self.path[:NAME_LIMIT], stream=self._stream, recipe=route.recipe if route else None,
            instance=route.instance if route else None, key=self.key, peer=self._request.peer, tokens=seen.chunks,
            ttft_s=seen.ttft,
        )

    def cut(self, error: StudioError) -> None:
        """A person ends it, and its client is told."""
        self._end(error.status, CANCELLED, str(error))
        self._responder.refuse(error)
        self._responder.done()

    # Getting to the engine.

    def _go(self) -> None:
        """At once where the model is ready and a connection waits. Raises BadInput."""
        request, engines, routing = self._request, self._engines, self._engines.routing
        self._wish, problem = peek(request.body)
        model = self._wish.model
        self.model = model = model if isinstance(model, str) else ""
        self._stream = self._wish.stream is True
        self._lease = Lease(routing, model)
        engines.register.begin(self)
        if problem is not None:
            self._fail(problem)  # Raised, it would know this frame, and stay.
            return
        if not model:
            raise BadInput("`model` is missing", "the body names no model", "see /v1/models")
        route = self._route = self._lease.take()
        if route is not None and route.upstream is not None and (upstream := engines.pool.idle(route.upstream.where)) is not None:
            self._ask(route, upstream)
        else:
            self._task = asyncio.create_task(self._wait(route))

    async def _wait(self, route: Route | None, fresh: bool = False) -> None:
        """Until there is an engine, and a connection to it."""
        try:
            while route is None or not await self._connect(route, fresh):
                route = self._route = await self._leased()
        except StudioError as error:
            self._fail(error)
        except Exception as error:  # noqa: BLE001 - it is in the log then
            self._crash(error)

    async def _leased(self) -> Route:
        if self._engines.routing.find(self.model).state == "ready":
            return await self._lease.ready()
        async with self._engines.cloakroom.keep(self._request) as body:
            route = await self._lease.ready()
            self._request.body = body()
        return route

    async def _connect(self, route: Route, fresh: bool) -> bool:
        """Ask the engine. False where it is not the one that the table promised. Raises Dying."""
        assert route.upstream is not None
        try:
            upstream = await self._engines.pool.take(route.upstream.where, fresh)
        except Unreached as error:
            self._lease.release()
            if not self._engines.routing.doubt(route):
                raise Dying("the engine did not answer", str(error), "see: studio logs") from error
            return False
        self._task = None
        self._ask(route, upstream)
        return True

    def _ask(self, route: Route, upstream: Upstream) -> None:
        request, target = self._request, route.upstream
        assert target is not None
        try:
            body = told(request.body, self._wish, target.name(self.model), route.filters, self.path)
        except BadInput:
            self._engines.pool.give(target.where, upstream)
            raise
        head = b"POST %b HTTP/1.1\r\n%b%bx-request-id: %b\r\ncontent-length: %d\r\n\r\n" % (
            request.target, target.lines, request.shown, self.id.encode(), len(body),
        )
        self._upstream, self.observation.hide_usage = upstream, self._wish.lacks_usage(self.path)
        try:
            upstream.ask(self, head, body)
        except Broken as error:
            self.broken(error)
        else:
            if self._paused:
                upstream.flow(False)

    # As its upstream's asker.

    @_caught
    def heard(self, data: bytes) -> None:
        upstream = self._upstream
        assert upstream is not None
        if self._relay is NOT_YET:
            if not data and upstream.head.streams and not upstream.whole:
                return  # It goes out with the first event, in one piece: until then a failure has its status.
            self._head(upstream)
        if data:
            self._piece(data)
        if upstream.whole:
            self._last(upstream)
        else:
            self._responder.flush()

    answered = heard

    @_caught
    def chunks(self, raw: bytes, pieces: list[bytes]) -> None:
        upstream, responder, seen = self._upstream, self._responder, self.observation
        assert upstream is not None
        if upstream.whole or seen.hides(raw, len(pieces)) or not self._at_once(upstream.head, raw):
            self._sifted(upstream, raw, pieces)
        elif seen.sift(pieces) is None:
            seen.feed(b"".join(pieces))
        if seen.quiet and responder.chunked and not self.over:
            upstream.shortcut = Usual.learn(pieces[-1], seen, responder.wire.transport.write)

    def _at_once(self, head: Head, raw: bytes) -> bool:
        """Send a piece of a stream that hides nothing on before it is looked at, if that can be."""
        responder = self._responder
        if self._relay is NOT_YET and head.events and responder.opens:
            responder.open(head, raw)
            self._relay = EVENTS
            self._request.forget()
        elif self._relay is EVENTS and responder.chunked:
            responder.relay(raw, last=False)
        else:
            return False
        return True

    def _sifted(self, upstream: Upstream, raw: bytes, pieces: list[bytes]) -> None:
        """Send on what the client sees of whole chunks, as they came if that is all."""
        responder, seen = self._responder, self.observation
        if self._relay is NOT_YET:
            self._head(upstream)
        shown = seen.sift(pieces) if self._relay is EVENTS else None
        if shown is None:
            self.heard(b"".join(pieces))
            return
        if shown is pieces and responder.chunked and not (upstream.whole and self._unfinished):
            responder.relay(raw, last=upstream.whole)
        else:
            responder.put(b"".join(shown))
        if upstream.whole:
            self._last(upstream)
        else:
            responder.flush()

    def broken(self, error: Broken) -> None:
        self._upstream = None
        if isinstance(error, Stale) and not self._asked_again:
            # The engine closed it while it waited; nothing of an answer came, so nothing was begun.
            self._asked_again = True
            self._task = asyncio.create_task(self._wait(self._route, fresh=True))
            return
        when = "did not answer" if self._relay is NOT_YET else "went away in the middle of the answer"
        self._fail(Dying(f"the engine {when}", str(error), "see: studio logs"))

    def _head(self, upstream: Upstream) -> None:
        """The engine has begun to answer: what it says goes on as it comes."""
        head, responder = upstream.head, self._responder
        if head.streams or (head.events and not responder.started):
            self._relay = EVENTS
            if not responder.started:
                responder.begin(head.status, head.lines, sized=False, events=True)
        elif responder.started:
            self._relay = REFUSAL
        else:
            self._relay, length = WHOLE, upstream.length
            sized = head.lines if length is None else b"%bcontent-length: %d\r\n" % (head.lines, length)
            responder.begin(head.status, sized, sized=length is not None, events=False)
        self._request.forget()

    @property
    def _unfinished(self) -> bool:
        """Whether it is a stream that has to say that it ended, and has not."""
        return self.path in OPENAI_STREAMS and not self.observation.over

    def _piece(self, data: bytes) -> None:
        if self._relay is EVENTS:
            self._responder.put(self.observation.feed(data))
        elif self._relay is WHOLE:
            self.observation.look(data)
            self._responder.put(data)
        else:
            self.observation.size += len(data)
            self._said.append(data)

    def _last(self, upstream: Upstream) -> None:
        """Raises Dying where the answer is whole and yet none."""
        if self._relay is REFUSAL:
            text = b"".join(self._said).decode("utf-8", "replace")
            raise Dying(f"the engine refused the request with {upstream.head.status}", text[:2000])
        seen, responder = self.observation, self._responder
        if self._relay is EVENTS:
            responder.put(seen.end())
            if self._unfinished:
                raise Dying("the engine went away in the middle of the answer", "it ended without [DONE]", "see: studio logs")
        else:
            seen.looked()
        responder.finish()
        status = upstream.head.status
        self._end(status, outcome(status, seen.error), seen.error)
        responder.done()

    # The end.

    def _fail(self, error: StudioError) -> None:
        self._end(error.status, REJECTED if error.status < 500 else FAILED, str(error))
        self._responder.refuse(error)
        self._responder.done()

    def _crash(self, error: Exception) -> None:
        """A mistake in here."""
        self._end(500, FAILED, type(error).__name__)
        self._responder.crash(error)
        self._responder.done()

    def _end(self, status: int, outcome: str, error: str | None) -> None:
        """Give everything back and have it written down, once."""
        if self.over:
            return
        self.over, self._ended = True, time.monotonic()
        self._status, self._outcome, self.observation.error = status, outcome, error
        engines, route, upstream, task = self._engines, self._route, self._upstream, self._task
        self._upstream = self._task = None
        if task is not None and task is not asyncio.current_task():
            task.cancel()
        if upstream is not None:
            assert route is not None and route.upstream is not None
            engines.pool.give(route.upstream.where, upstream)
        self._lease.release()
        self._request.forget()
        engines.register.end(self)
