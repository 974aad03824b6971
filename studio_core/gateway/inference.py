"""A request to an engine, from its arrival to its last byte: wait for the model, relay, write it down."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

import msgspec

from studio_core.errors import BadInput, StudioError
from studio_core.gateway.auth import Principal
from studio_core.gateway.holding import Cloakroom
from studio_core.gateway.journal import Journal
from studio_core.gateway.observation import Observation
from studio_core.gateway.request import Headers, Request
from studio_core.gateway.responder import EVENT_STREAM, Responder
from studio_core.gateway.routing import Lease, Routing
from studio_core.gateway.table import Route
from studio_core.gateway.upstream import Broken, Pool, Stale, Unreached, Upstream, answered
from studio_core.routes import REQUEST_ID_HEADER

T = TypeVar("T")
SSE_HEADERS: Headers = [(b"content-type", EVENT_STREAM), (b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no")]
# What of a request an engine gets to see.
TO_ENGINE = frozenset({b"accept", b"content-type", b"user-agent", b"anthropic-version"})
# Where the usage of a stream has to be asked for, and where [DONE] ends it.
OPENAI_STREAMS = frozenset({"/v1/chat/completions", "/v1/completions"})
PING = b": ping\n\n"
NAME_LIMIT = 200


class Dying(StudioError):
    status, code = 502, "upstream_failed"


class Engines:
    """The engines behind the route table."""

    def __init__(self, routing: Routing, journal: Journal, cloakroom: Cloakroom) -> None:
        self.routing = routing
        self.journal = journal
        self.cloakroom = cloakroom
        self.pool = Pool()

    async def serve(self, principal: Principal, request: Request, responder: Responder) -> None:
        """Let in is written down: a start line and an end line, whatever becomes of the request."""
        one = Inference(self, request, responder)
        start = {"path": request.path, "instance": None, "key": principal.id or None}
        self.journal.line(t="start", id=request.id, at=time.time(), **start, **one.wish())
        outcome, error_text = "failed", None
        try:
            await one.run()
            outcome = one.outcome
        except asyncio.CancelledError:
            outcome, one.status = "cancelled", 499
            raise
        except StudioError as error:
            one.status, error_text = error.status, str(error)
            outcome = "rejected" if error.status < 500 else "failed"
            raise
        finally:
            self.journal.line(
                t="end", id=request.id, at=time.time(), status=one.status, outcome=outcome,
                error=error_text or one.observation.error, **one.served(), **one.observation.figures(),
            )


class Inference:
    """One of them."""

    def __init__(self, engines: Engines, request: Request, responder: Responder) -> None:
        self.status = 500
        self.observation = Observation()
        self._routing = engines.routing
        self._cloakroom = engines.cloakroom
        self._pool = engines.pool
        self._policy = engines.routing.table.policy
        self._request = request
        self._responder = responder
        self._wish, self._problem = peek(request.body)
        self._model = self._wish.model if isinstance(self._wish.model, str) else ""
        self._stream = self._wish.stream is True
        self._lease = Lease(self._routing, self._model)
        self._served: Route | None = None

    def wish(self) -> dict[str, Any]:
        """Fields of the start line: what was asked for."""
        recipe = None
        with contextlib.suppress(StudioError):
            recipe = self._routing.find(self._model).recipe
        return {"model": self._model[:NAME_LIMIT] or None, "recipe": recipe, "stream": self._stream}

    def served(self) -> dict[str, Any]:
        """Fields of the end line: who answered."""
        route = self._served
        return {"recipe": route.recipe if route else None, "instance": route.instance if route else None}

    @property
    def outcome(self) -> str:
        """What became of an answer that was relayed whole."""
        if self.observation.error is not None or self.status >= 400:
            return "rejected" if 400 <= self.status < 500 else "failed"
        return "ok"

    async def run(self) -> None:
        """Raises StudioError; what has begun then ends with it."""
        if self._problem is not None:
            raise self._problem
        if not self._model:
            raise BadInput("`model` is missing", "the body names no model", "see /v1/models")
        try:
            upstream = await self._reach()
            try:
                await self._relay(upstream)
            finally:
                self._pool.give(self._where, upstream)
        finally:
            self._lease.release()

    # Getting to the engine.

    async def _reach(self) -> Upstream:
        """An engine that has begun to answer."""
        while True:
            route = self._served = await self._leased()
            try:
                return await self._ask(route)
            except Unreached as error:
                self._lease.release()
                if not self._routing.doubt(route):
                    raise Dying("the engine did not answer", str(error), "see: studio logs") from error
            except Broken as error:
                raise Dying("the engine did not answer", str(error), "see: studio logs") from error

    async def _leased(self) -> Route:
        if not self._lease.waits():
            return await self._lease.ready()
        async with self._cloakroom.keep(self._request) as body:
            route = await self._patiently(self._lease.ready())
            self._request.body = body()
        return route

    async def _ask(self, route: Route) -> Upstream:
        target = route.upstream
        assert target is not None
        headers = [(name, value) for name, value in self._request.headers if name in TO_ENGINE]
        headers += [
            (b"host", f"{target.host}:{target.port}".encode()), (REQUEST_ID_HEADER.encode(), self._request.id.encode()),
        ]
        if target.key:
            headers.append((b"authorization", f"Bearer {target.key}".encode()))
        adapter = next((name for name in target.keep if name.lower() == self._model.lower()), None)
        body = self._told(adapter or target.model)
        self._where = (target.host, target.port)
        try:
            return await self._sent(headers, body)
        except Stale:
            # The engine closed it while it waited; nothing of an answer came, so nothing was begun.
            return await self._sent(headers, body, fresh=True)

    async def _sent(self, headers: Headers, body: bytes, fresh: bool = False) -> Upstream:
        upstream = await self._pool.take(self._where, fresh)
        try:
            await self._patiently(upstream.send("POST", self._request.target, headers, body, reuse=True))
        except BaseException:
            upstream.close()
            raise
        return upstream

    def _told(self, model: str) -> bytes:
        """The body as the engine gets it: the client's own bytes, unless something must differ."""
        changes: dict[str, Any] = {}
        if model and model != self._model:
            changes["model"] = model
        options = self._wish.stream_options or {}
        asked = not isinstance(options, dict) or options.get("include_usage")
        if self._stream and self._request.path in OPENAI_STREAMS and not asked:
            changes["stream_options"] = {**options, "include_usage": True}
        self.observation = Observation(hide_usage="stream_options" in changes, began=self.observation.began)
        return spliced(self._request.body, changes) if changes else self._request.body

    async def _patiently(self, work: Awaitable[T]) -> T:
        """Wait for it; a stream's headers are held for a while, so that an early failure keeps its status, then pings."""
        if not self._stream:
            return await work
        pings = Pings(self._ping, self._policy.ping_s, None if self._responder.started else self._policy.hold_headers_s)
        try:
            return await work
        finally:
            pings.stop()

    def _ping(self) -> None:
        self._begin(200, SSE_HEADERS)
        self._responder.put(PING)

    # Answering.

    def _begin(self, status: int, headers: Headers) -> None:
        if not self._responder.started:
            self._responder.start(status, headers)

    async def _relay(self, upstream: Upstream) -> None:
        """Raises Dying; the status is the engine's."""
        try:
            if upstream.events and (upstream.status == 200 or not self._responder.started):
                await self._relay_events(upstream)
            else:
                await self._relay_whole(upstream)
        except Broken as error:
            raise Dying("the engine went away in the middle of the answer", str(error), "see: studio logs") from error
        self.status = upstream.status

    async def _relay_whole(self, upstream: Upstream) -> None:
        if self._responder.started:
            text = b"".join([chunk async for chunk in upstream.chunks()]).decode("utf-8", "replace")
            raise Dying(f"the engine refused the request with {upstream.status}", text[:2000])
        self._begin(upstream.status, answered(upstream))

        def sink(data: bytes) -> None:
            self.observation.look(data)
            self._responder.put(data)

        await self._pipe(upstream, sink)
        self.observation.looked()
        self._responder.finish()

    async def _relay_events(self, upstream: Upstream) -> None:
        named = {b"content-length", *(name for name, _ in SSE_HEADERS)}
        self._begin(upstream.status, [*SSE_HEADERS, *(one for one in answered(upstream) if one[0] not in named)])
        feed, put = self.observation.feed, self._responder.put

        def sink(data: bytes) -> None:
            pings.heard = True
            put(feed(data))

        def ping() -> None:
            if self.observation.at_boundary:
                put(PING)

        pings = Pings(ping, self._policy.ping_s)
        try:
            await self._pipe(upstream, sink)
        finally:
            pings.stop()
        put(self.observation.end())
        if self._request.path in OPENAI_STREAMS and not self.observation.over:
            raise Broken("it ended without [DONE]")
        self._responder.finish()

    async def _pipe(self, upstream: Upstream, sink: Callable[[bytes], None]) -> None:
        """While the client does not read, nothing is read for it: its buffer is the transport's, and no more."""
        self._responder.pace(upstream.flow)
        try:
            await upstream.pipe(sink)
        finally:
            self._responder.pace(None)


class Pings:
    """Calls `ping` after each `pause` seconds in which nothing was `heard`; the first time after `first`, if that is given."""

    def __init__(self, ping: Callable[[], None], pause: float, first: float | None = None) -> None:
        self.heard = False
        self._ping = ping
        self._pause = pause
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(pause if first is None else first, self._tick)

    def _tick(self) -> None:
        if not self.heard:
            self._ping()
        self.heard = False
        self._timer = self._loop.call_later(self._pause, self._tick)

    def stop(self) -> None:
        self._timer.cancel()


class Wish(msgspec.Struct):
    """What the gateway reads of a request's body; the rest is only walked over."""

    model: Any = None
    stream: Any = None
    stream_options: Any = None


_wish = msgspec.json.Decoder(Wish)
_parts = msgspec.json.Decoder(dict[str, msgspec.Raw])


def peek(body: bytes) -> tuple[Wish, BadInput | None]:
    """The routing fields of the body, or none and what is wrong with it. Of a key that comes twice the last counts."""
    try:
        return _wish.decode(body), None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Wish(), _object(body)


def spliced(body: bytes, changes: Mapping[str, Any]) -> bytes:
    """The body with other values at these keys; every other value goes as it came, byte for byte."""
    parts: dict[str, Any] = {**_parts.decode(body), **changes}
    return msgspec.json.encode(parts)


def _object(body: bytes) -> BadInput:
    """What is wrong with a body that is no JSON object."""
    try:
        data = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return BadInput("the body is not JSON", str(error), "send a JSON object")
    return BadInput("the body is not a JSON object", f"it is a {type(data).__name__}", "send a JSON object")
