"""Control paths: relayed to the controller with the caller's name, whatever it answers, as it comes."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

from studio_core.errors import Unavailable
from studio_core.gateway.auth import KEY_PARAMETER, Principal
from studio_core.gateway.head import passed
from studio_core.gateway.reader import Reader
from studio_core.gateway.request import Headers, Request
from studio_core.gateway.responder import Responder
from studio_core.gateway.upstream import Broken
from studio_core.routes import PRINCIPAL_HEADER, REQUEST_ID_HEADER

# A caller's own words for these, or his key, never get through.
OURS = frozenset({
    PRINCIPAL_HEADER.encode(), REQUEST_ID_HEADER.encode(), b"host", b"content-length", b"expect", b"authorization",
    b"x-api-key", b"cookie", b"origin",
})
WHOLE_S = 10.0
_KEY = re.compile(rb"(?:(?<=\?)|&)%s=[^&]*&?" % KEY_PARAMETER.encode())


class Control:
    """The controller behind its socket."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket

    async def serve(self, principal: Principal, request: Request, responder: Responder) -> None:
        """Raises Unavailable while there is no controller."""
        try:
            upstream = await Reader.open(self._socket)
        except Broken as error:
            raise Unavailable("the controller is away", "", "it is started again; try in a few seconds") from error
        try:
            await self._relay(upstream, _headers(principal, request), request, responder)
        except Broken as error:
            if not responder.started:
                raise Unavailable("the controller went away", str(error), "try in a few seconds") from error
        finally:
            upstream.close()

    async def whole(self, principal: Principal, request: Request) -> bytes:
        """All of a short answer. Raises Unavailable when there is none, or another than was asked for."""
        try:
            upstream = await Reader.open(self._socket)
        except Broken as error:
            raise Unavailable("the controller is away") from error
        try:
            async with asyncio.timeout(WHOLE_S):
                await upstream.send("GET", request.target, _headers(principal, request), b"")
                data = b"".join([chunk async for chunk in upstream.pieces()])
        except (Broken, TimeoutError) as error:
            raise Unavailable("the controller went away") from error
        finally:
            upstream.close()
        if upstream.status != 200:
            raise Unavailable("the controller answers otherwise", str(upstream.status))
        return data

    async def _relay(self, upstream: Reader, headers: Headers, request: Request, responder: Responder) -> None:
        await upstream.send(request.method, _KEY.sub(_joint, request.target), headers, request.body)
        responder.start(upstream.status, upstream.headers)
        async for chunk in upstream.pieces():
            await responder.write(chunk)
        responder.finish()


def _headers(principal: Principal, request: Request) -> Headers:
    told = {"kind": principal.kind, "id": principal.id, "scopes": sorted(principal.scopes), "peer": request.peer}
    return [
        *((name, value) for name, value in passed(request.headers) if name not in OURS),
        (b"host", b"studio"), (PRINCIPAL_HEADER.encode(), json.dumps(told).encode()),
        (REQUEST_ID_HEADER.encode(), request.id.encode()),
    ]


def _joint(found: re.Match[bytes]) -> bytes:
    """What stays between the neighbours of a parameter that was cut out."""
    return b"&" if found[0].startswith(b"&") and found[0].endswith(b"&") else b""
