"""One request from its arrival to its last byte: let in, wait for the model, relay, write it down."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from studio_core.errors import BadInput, StudioError, Unavailable
from studio_core.gateway.auth import Principal, WrongMethod, authorise
from studio_core.gateway.http import Headers, Request, Responder
from studio_core.gateway.journal import Journal
from studio_core.gateway.observation import Observation
from studio_core.gateway.routing import Routing
from studio_core.gateway.table import Route
from studio_core.gateway.upstream import Broken, Upstream, passed
from studio_core.routes import CONTROLLER, ENGINE, PRINCIPAL_HEADER, REQUEST_ID_HEADER, methods

T = TypeVar("T")
SSE_HEADERS: Headers = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no")]
# What of a request an engine gets to see.
TO_ENGINE = frozenset({b"accept", b"content-type", b"user-agent"})
OURS = frozenset({PRINCIPAL_HEADER.encode(), REQUEST_ID_HEADER.encode(), b"host", b"content-length", b"expect"})
PING = b": ping\n\n"


class Dying(StudioError):
    status, code = 502, "upstream_failed"


class Relay:
    """The handler of every connection. `local` answers what the gateway itself answers."""

    def __init__(
        self, gateway_id: str, routing: Routing, journal: Journal, control: Path,
        local: Callable[[Request, Responder, str], None],
    ) -> None:
        self._id = gateway_id
        self._numbers = itertools.count(1)
        self._routing = routing
        self._journal = journal
        self._control = control
        self._local = local

    async def handle(self, request: Request, responder: Responder) -> None:
        """Answer one request; every error becomes an answer in the shape of its path."""
        request_id = f"req-{self._id}-{next(self._numbers)}"
        try:
            if self._preflight(request, responder):
                return
            table = self._routing.table
            principal, row = authorise(request, table.keys, table.policy)
            if row.answers == ENGINE:
                await _Inference(self._routing, self._journal, request, responder, principal, request_id).run()
            elif row.answers == CONTROLLER:
                await self._to_controller(request, responder, principal, request_id)
            else:
                self._local(request, responder, request_id)
        except StudioError as error:
            refuse(request, responder, error, request_id)

    def _preflight(self, request: Request, responder: Responder) -> bool:
        """Answer a browser's question whether an allowed origin may call."""
        origin = request.header(b"origin")
        if request.method != "OPTIONS" or origin not in self._routing.table.policy.allowed_origins:
            return False
        allow = [
            (b"access-control-allow-origin", str(origin).encode()),
            (b"access-control-allow-methods", ", ".join(methods(request.path)).encode()),
            (b"access-control-allow-headers", b"authorization, content-type, x-api-key"),
            (b"vary", b"origin"),
        ]
        responder.start(204, allow)
        responder.finished = True
        return True

    async def _to_controller(self, request: Request, responder: Responder, principal: Principal, request_id: str) -> None:
        told = {"kind": principal.kind, "id": principal.id, "scopes": sorted(principal.scopes), "peer": request.peer}
        headers = [(name, value) for name, value in passed(request.headers) if name not in OURS and name != b"authorization"]
        headers += [
            (b"host", b"studio"), (PRINCIPAL_HEADER.encode(), json.dumps(told).encode()),
            (REQUEST_ID_HEADER.encode(), request_id.encode()),
        ]
        try:
            upstream = await Upstream.open(self._control)
        except Broken as error:
            raise Unavailable("the controller is away", "", "it is started again; try in a few seconds") from error
        try:
            await upstream.send(request.method, request.target, headers, request.body)
            responder.start(upstream.status, _answer_headers(upstream, request, request_id, self._routing))
            async for chunk in upstream.chunks():
                await responder.write(chunk)
            responder.finish()
        except Broken as error:
            if responder.started:
                return
            raise Unavailable("the controller went away", str(error), "try in a few seconds") from error
        finally:
            upstream.close()


def _answer_headers(upstream: Upstream, request: Request, request_id: str, routing: Routing) -> Headers:
    mine = REQUEST_ID_HEADER.encode()
    headers = [(name, value) for name, value in passed(upstream.headers) if name not in (mine, b"server", b"date")]
    headers.append((mine, request_id.encode()))
    origin = request.header(b"origin")
    if origin is not None and origin in routing.table.policy.allowed_origins:
        headers += [(b"access-control-allow-origin", origin.encode()), (b"vary", b"origin")]
    return headers


def refuse(request: Request, responder: Responder, error: StudioError, request_id: str) -> None:
    """The error as a whole answer; on a stream that has begun, as its last event."""
    openai = request.path.startswith("/v1")
    body = error.openai(request_id) if openai else error.body()
    if responder.started:
        with contextlib.suppress(RuntimeError):
            responder.transport.write(_chunk(b"data: " + msgspec.json.encode(body) + b"\n\n", responder))
        responder.finish()
        return
    headers: Headers = [(REQUEST_ID_HEADER.encode(), request_id.encode())]
    if error.status in (429, 503):
        headers.append((b"retry-after", b"5"))
    if error.status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    if isinstance(error, WrongMethod):
        headers.append((b"allow", ", ".join(methods(request.path)).encode()))
    responder.json(error.status, body, headers)


def _chunk(data: bytes, responder: Responder) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data) if responder._chunked else data


class _Inference:
    """One request to an engine."""

    def __init__(
        self, routing: Routing, journal: Journal, request: Request, responder: Responder, principal: Principal, request_id: str
    ) -> None:
        self._routing = routing
        self._journal = journal
        self._request = request
        self._responder = responder
        self._principal = principal
        self._id = request_id
        self._policy = routing.table.policy
        self._status = 200
        self._route: Route | None = None

    async def run(self) -> None:
        body = _object(self._request.body)
        model, self._stream = body.get("model"), body.get("stream") is True
        if not isinstance(model, str) or not model:
            raise BadInput("`model` is missing", "the body names no model", "see /v1/models")
        hide = self._stream and "chat" in self._request.path and not (body.get("stream_options") or {}).get("include_usage")
        self._observation = Observation(self._stream, hide)
        key = self._principal.id or None
        self._journal.line(
            t="start", id=self._id, at=time.time(), path=self._request.path, model=model, recipe=self._recipe(model),
            instance=None, key=key, stream=self._stream,
        )
        outcome, error_text = "failed", None
        try:
            await self._serve(model, body, hide)
            outcome = "ok" if self._status < 400 else "failed"
        except asyncio.CancelledError:
            outcome, self._status = "cancelled", 499
            raise
        except StudioError as error:
            self._status, error_text = error.status, str(error)
            outcome = "rejected" if error.status < 500 and error.status != 499 else "failed"
            raise
        finally:
            route = self._route
            self._journal.line(
                t="end", id=self._id, at=time.time(), status=self._status, outcome=outcome, error=error_text,
                recipe=route.recipe if route else None, instance=route.instance if route else None,
                **self._observation.figures(),
            )

    def _recipe(self, model: str) -> str | None:
        with contextlib.suppress(StudioError):
            return self._routing.find(model).recipe
        return None

    async def _serve(self, model: str, body: dict[str, Any], hide: bool) -> None:
        lease = self._routing.lease(model)
        self._route = route = await self._patiently(lease.__aenter__())
        try:
            upstream = await self._ask(route, body, hide)
            try:
                await self._relay(upstream)
            finally:
                upstream.close()
        finally:
            await lease.__aexit__(None, None, None)

    async def _ask(self, route: Route, body: dict[str, Any], hide: bool) -> Upstream:
        target = route.upstream
        assert target is not None
        if target.model:
            body["model"] = target.model
        if hide:
            body["stream_options"] = {**(body.get("stream_options") or {}), "include_usage": True}
        headers = [(name, value) for name, value in self._request.headers if name in TO_ENGINE]
        headers += [(b"host", f"{target.host}:{target.port}".encode()), (REQUEST_ID_HEADER.encode(), self._id.encode())]
        if target.key:
            headers.append((b"authorization", f"Bearer {target.key}".encode()))
        try:
            upstream = await Upstream.open((target.host, target.port))
            try:
                sending = upstream.send("POST", self._request.target, headers, msgspec.json.encode(body))
                await self._patiently(sending)
            except BaseException:
                upstream.close()
                raise
        except Broken as error:
            raise Dying("the engine did not answer", str(error), "see: studio logs") from error
        return upstream

    async def _patiently(self, work: Awaitable[T]) -> T:
        """Wait for it; a stream's headers are held for a while, so that an early failure keeps its status, then pings."""
        task = asyncio.ensure_future(work)
        try:
            pause = self._policy.hold_headers_s if not self._responder.started else self._policy.ping_s
            while not (await asyncio.wait({task}, timeout=pause if self._stream else None))[0]:
                self._begin(200, [])
                await self._responder.write(PING)
                pause = self._policy.ping_s
            return task.result()
        finally:
            if not task.done():
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError, StudioError, Broken):
                    await task

    def _begin(self, status: int, headers: Headers) -> None:
        if not self._responder.started:
            streaming = SSE_HEADERS if self._stream and status == 200 else []
            named = {name for name, _ in streaming}
            rest = [(name, value) for name, value in headers if name not in named]
            self._responder.start(status, [*streaming, *rest, (REQUEST_ID_HEADER.encode(), self._id.encode())])

    async def _relay(self, upstream: Upstream) -> None:
        self._status = upstream.status
        if self._responder.started and upstream.status != 200:
            raise Dying("the engine refused the request", (await _text(upstream))[:2000])
        headers = _answer_headers(upstream, self._request, self._id, self._routing)
        drop = (b"content-length", REQUEST_ID_HEADER.encode()) if self._stream else (REQUEST_ID_HEADER.encode(),)
        self._begin(upstream.status, [(name, value) for name, value in headers if name not in drop])
        try:
            async for data in self._with_pings(upstream.chunks()):
                await self._responder.write(data)
            await self._responder.write(self._observation.end())
            if self._stream and upstream.status == 200 and not self._observation.done:
                raise Broken("it ended without [DONE]")
        except Broken as error:
            self._status = 502
            raise Dying("the engine went away in the middle of the answer", str(error), "see: studio logs") from error
        self._responder.finish()

    async def _with_pings(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """What the client sees, with a comment whenever a stream was silent for long."""
        if not self._stream or self._status != 200:
            async for chunk in chunks:
                yield self._observation.feed(chunk)
            return
        coming = asyncio.ensure_future(anext(chunks))
        try:
            while True:
                done, _ = await asyncio.wait({coming}, timeout=self._policy.ping_s)
                if not done:
                    if self._observation.at_boundary:
                        yield PING
                    continue
                try:
                    chunk = coming.result()
                except StopAsyncIteration:
                    return
                yield self._observation.feed(chunk)
                coming = asyncio.ensure_future(anext(chunks))
        finally:
            coming.cancel()


async def _text(upstream: Upstream) -> str:
    return b"".join([chunk async for chunk in upstream.chunks()]).decode("utf-8", "replace")


def _object(body: bytes) -> dict[str, Any]:
    try:
        data = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadInput("the body is not JSON", str(error), "send a JSON object") from error
    if not isinstance(data, dict):
        raise BadInput("the body is not a JSON object", f"it is a {type(data).__name__}", "send a JSON object")
    return data
