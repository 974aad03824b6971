"""The event stream."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from studio_core import wire
from studio_core.controller import sse, view
from studio_core.controller.endpoint import Call, Endpoint, Query, Table


async def events(call: Call) -> Response:
    services = call.services
    services.gpu.look()
    first = [("status", wire.to_builtins(view.status(services))), ("gpu", wire.to_builtins(services.gpu.latest()))]
    subscription = services.hub.subscribe(first)
    return sse.stream(sse.listen(subscription, services.settings.ping_s, call.query["named"]))


async def stats(call: Call) -> dict[str, Any]:
    return call.services.hub.stats()


ENDPOINTS: Table = {
    ("GET", "/events"): Endpoint(
        events, query=(Query("named", bool, True, "false: unnamed messages, the kind inside the data"),), media=sse.MEDIA
    ),
    ("GET", "/events/stats"): Endpoint(stats),
}
