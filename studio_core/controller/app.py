"""The control API: one lookup in the table of paths decides existence, method, scope and handler of a request."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from studio_core import routes
from studio_core.controller.endpoint import Call, Caller, Endpoint, Table, read_body, read_query
from studio_core.controller.routes import (
    chat,
    condition,
    engine,
    event,
    foreign,
    house,
    importing,
    lifecycle,
    log,
    model,
    recipe,
    request,
    system,
    takeover,
    usage,
)
from studio_core.controller.services import Services
from studio_core.errors import Denied, NoKey, NotFound, StudioError, WrongMethod

GROUPS = (
    chat, condition, engine, event, foreign, house, importing, lifecycle, log, model, recipe, request, system, takeover, usage,
)
OWNER = Caller("owner", owner=True)
logger = logging.getLogger(__name__)


class Principal(msgspec.Struct):
    """The header that the gateway sets on every request that it relays."""

    kind: str
    id: str
    scopes: list[str]


def endpoints() -> Table:
    """All endpoints by method and path.

    Raises:
        LookupError: a row of `routes.TABLE` without an endpoint, or an endpoint without a row.
    """
    found: dict[tuple[str, str], Endpoint] = {}
    for group in GROUPS:
        found.update(group.ENDPOINTS)
    rows = {(row.method, row.path) for row in routes.TABLE if row.answers == routes.CONTROLLER}
    if rows != set(found):
        raise LookupError(f"rows without endpoint: {sorted(rows - set(found))}, without row: {sorted(set(found) - rows)}")
    return found


def build(services: Services, *, owner: bool) -> ASGIApp:
    """The application for one socket: the owner's, or the gateway's, whose every request names its principal."""
    return Application(services, endpoints(), OWNER if owner else None)


@dataclass(frozen=True, slots=True)
class Application:
    """Answers HTTP. `caller` is who everybody on this socket is; None asks the principal's header."""

    services: Services
    table: Table
    caller: Caller | None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise RuntimeError(f"unexpected {scope['type']} scope")
        request = Request(scope, receive)
        try:
            response = await self._answer(request)
        except ClientDisconnect:
            return
        except StudioError as error:
            response = refusal(request.url.path, error)
        except Exception:
            logger.exception("%s %s failed", request.method, request.url.path)
            mistake = StudioError("Studio made a mistake", "", "its log says more: studio logs controller")
            response = refusal(request.url.path, mistake)
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        caller = self.caller or principal(request)
        row = locate(request.method, request.scope["path"])
        settings = self.services.settings
        if not routes.allowed(row.scope, caller.scopes, owner=caller.owner, remote_admin=settings.remote_admin):
            raise denied(row)
        if row.method != "GET" and routes.READ_ONLY_HEADER in request.headers:
            raise Denied(f"{row.method} {row.path} would change something", "it was asked only to look", "leave read-only mode")
        if row.answers != routes.CONTROLLER:
            raise NotFound(
                "the gateway answers this path", request.scope["path"], f"ask {self.services.daemons.gateway().url}"
            )
        endpoint = self.table[row.method, row.path]
        if request.method == "HEAD" and endpoint.media == "text/event-stream":
            return Response(media_type=endpoint.media)
        call = Call(
            request=request, services=self.services, caller=caller,
            path=row.parameters(request.scope["path"]),
            query=read_query(endpoint, request),
            body=await read_body(endpoint, request, settings.body_limit),
        )
        return respond(await endpoint.handler(call), endpoint)


def locate(method: str, path: str) -> routes.Route:
    """The row for a request. Raises NotFound or WrongMethod."""
    row = routes.find(method, path)
    if row is not None:
        return row
    if known := routes.methods(path):
        raise WrongMethod(f"{path} does not take {method}", "", f"it takes {', '.join(sorted(known))}")
    raise NotFound(f"no such path: {path[:200]}", "", "see /openapi.json")


def principal(request: Request) -> Caller:
    """Who asks, by the gateway's word. Raises NoKey."""
    try:
        one = msgspec.json.decode(request.headers.get(routes.PRINCIPAL_HEADER, ""), type=Principal)
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise NoKey("this request names no caller", "", "come through the gateway") from error
    return Caller(f"{one.kind}:{one.id}", frozenset(one.scopes))


def denied(row: routes.Route) -> Denied:
    """Why a caller may not use a row, and how he could."""
    if row.scope == routes.DEFINE:
        hint = "use it on the server itself, or set remote_admin there and come with an admin key"
    else:
        hint = f"come with a key that has the scope {row.scope}: studio keys admin"
    return Denied(f"{row.method} {row.path} needs the scope {row.scope}", "", hint)


def respond(value: Any, endpoint: Endpoint) -> Response:
    """A handler's value as JSON."""
    if isinstance(value, Response):
        return value
    return Response(msgspec.json.encode(value), endpoint.statuses[0], media_type="application/json")


def refusal(path: str, error: StudioError) -> Response:
    """An error as the API answers it: OpenAI's shape under /v1, ours elsewhere; `detail` is a string in both."""
    body = error.openai() if path.startswith("/v1/") else error.body()
    headers = {"retry-after": "5"} if error.status in (429, 503) else {}
    if isinstance(error, WrongMethod):
        known = routes.methods(path)
        headers["allow"] = ", ".join(sorted({*known, *(["HEAD"] if "GET" in known else [])}))
    return Response(msgspec.json.encode(body), error.status, headers, "application/json")
