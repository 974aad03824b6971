"""`/upstream/{instance}/...`: an engine's own paths for its owner, as they are. Counted and written down like any request."""

from __future__ import annotations

import asyncio
import time

from studio_core.errors import NotFound, StudioError
from studio_core.gateway.auth import Principal
from studio_core.gateway.head import passed
from studio_core.gateway.inference import NAME_LIMIT, Dying
from studio_core.gateway.journal import CANCELLED, FAILED, End, Start, outcome, wall
from studio_core.gateway.observation import Observation, tokens
from studio_core.gateway.reader import Reader
from studio_core.gateway.register import Register
from studio_core.gateway.request import Headers, Request
from studio_core.gateway.responder import Responder
from studio_core.gateway.routing import Routing
from studio_core.gateway.table import Route
from studio_core.gateway.upstream import Broken
from studio_core.routes import REQUEST_ID_HEADER
from studio_core.wire.flight import Flight

PREFIX = "/upstream/"
# The caller's key is Studio's, not the engine's; the rest is ours to say.
OURS = frozenset({b"host", b"content-length", b"expect", b"authorization", b"x-api-key", b"cookie", b"origin",
                  REQUEST_ID_HEADER.encode()})


class Visit:
    """One that is under way, as it is shown, ended and written down (`register.Entry`)."""

    def __init__(self, request: Request, key: str | None, route: Route) -> None:
        self.key = key
        self.id = request.id
        self.received = len(request.body)
        self.observation = Observation()
        self.over = False
        self.ended: StudioError | None = None
        self.status, self.outcome = 500, FAILED
        self._moment = 0.0
        self._request, self._route = request, route
        self._task = asyncio.current_task()

    def view(self) -> Flight:
        route, seen = self._route, self.observation
        return Flight(
            id=self.id, age_s=time.monotonic() - seen.began, state="prefill" if seen.ttft is None else "answering",
            model=route.recipe, path=self._request.path[:NAME_LIMIT], recipe=route.recipe, instance=route.instance, key=self.key,
            peer=self._request.peer, ttft_s=seen.ttft,
        )

    def cut(self, error: StudioError) -> None:
        self.ended = error
        if self._task is not None:
            self._task.cancel()

    def finish(self) -> None:
        """It is over."""
        self.over, self._moment = True, time.monotonic()

    @property
    def began(self) -> float:
        return self.observation.began

    @property
    def sent(self) -> int:
        return self.observation.size

    def start(self) -> Start:
        recipe = self._route.recipe
        return Start(self.id, wall(self.observation.began), self._request.path, recipe, recipe, None, self.key, False)

    def end(self) -> End:
        seen, recipe = self.observation, self._route.recipe
        return End(
            self.id, wall(self._moment), self.status, self.outcome, seen.error, recipe, self._route.instance, seen.ttft,
            self._moment - seen.began, self._request.path, recipe, self.key, False, *tokens(seen.usage), seen.finish, seen.chunks,
        )


class Passage:
    """To whatever has an upstream, ready or not: who looks at an engine often does so because it is not."""

    def __init__(self, routing: Routing, register: Register) -> None:
        self._register = register
        self._routing = routing

    async def serve(self, principal: Principal, request: Request, responder: Responder) -> None:
        """Raises NotFound, Dying."""
        route, target = self._find(request)
        assert route.instance is not None
        visit = Visit(request, principal.id or None, route)
        self._routing.enter(route.instance)
        self._register.begin(visit)
        try:
            visit.status = await self._relay(route, target, request, responder, visit.observation)
            visit.outcome = outcome(visit.status)
        except asyncio.CancelledError:
            visit.status, visit.outcome = 499, CANCELLED
            if visit.ended is None:
                raise
            # Not the client has left: he is told.
            visit.observation.error = str(visit.ended)
            raise visit.ended from None
        except StudioError as error:
            visit.status, visit.observation.error = error.status, str(error)
            raise
        finally:
            self._routing.release(route.instance)
            visit.finish()
            self._register.end(visit)

    def _find(self, request: Request) -> tuple[Route, bytes]:
        """The route of the instance, named by itself or by its recipe, and what is asked of its engine."""
        name, _, rest = request.target.removeprefix(PREFIX.encode()).partition(b"/")
        wanted = name.decode("ascii", "replace")
        for route in self._routing.table.routes:
            if wanted in (route.instance, route.recipe) and route.upstream is not None and route.instance is not None:
                return route, b"/" + rest
        raise NotFound(f"nothing runs as {wanted[:200]}", "", "see: studio ps")

    async def _relay(self, route: Route, target: bytes, request: Request, responder: Responder, seen: Observation) -> int:
        """The engine's status, when its answer was relayed whole."""
        assert route.upstream is not None
        try:
            upstream = await Reader.open(route.upstream.where)
        except Broken as error:
            raise Dying("the engine did not answer", str(error), "see: studio logs") from error
        try:
            await upstream.send(request.method, target, self._headers(route, request), request.body)
            responder.start(upstream.status, upstream.headers)
            async for data in upstream.pieces():
                seen.look(data)
                await responder.write(data)
            seen.looked()
            responder.finish()
        except Broken as error:
            raise Dying("the engine went away in the middle of the answer", str(error), "see: studio logs") from error
        finally:
            upstream.close()
        return upstream.status

    @staticmethod
    def _headers(route: Route, request: Request) -> Headers:
        upstream = route.upstream
        assert upstream is not None
        headers = [(name, value) for name, value in passed(request.headers) if name not in OURS]
        headers += [
            (b"host", f"{upstream.host}:{upstream.port}".encode()), (REQUEST_ID_HEADER.encode(), request.id.encode()),
        ]
        return [*headers, (b"authorization", f"Bearer {upstream.key}".encode())] if upstream.key else headers
