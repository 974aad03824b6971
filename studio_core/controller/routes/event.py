"""The event stream."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from studio_core import wire
from studio_core.controller import sse, view
from studio_core.controller.endpoint import Call, Endpoint, Query, Table
from studio_core.errors import BadValue

KINDS = ("status", "gpu", "metrics", "launch_progress", "recipe")


async def events(call: Call) -> Response:
    services, kinds = call.services, _kinds(call.query["kinds"])
    if not kinds or "gpu" in kinds:
        services.gpu.look()
    first = [("status", wire.to_builtins(view.status(services))), ("gpu", wire.to_builtins(services.gpu.latest()))]
    subscription = services.hub.subscribe(first, kinds)
    ping = min(call.query["ping"] or services.settings.ping_s, services.settings.ping_s)
    return sse.stream(sse.listen(subscription, ping, call.query["named"]))


def _kinds(text: str) -> list[str]:
    """Raises BadValue."""
    kinds = [name for part in text.split(",") if (name := part.strip())]
    if unknown := [name for name in kinds if name not in KINDS]:
        raise BadValue("bad value for kinds", f"no kind {unknown[0][:40]!r}", f"write some of {', '.join(KINDS)}")
    return kinds


async def stats(call: Call) -> dict[str, Any]:
    return call.services.hub.stats()


ENDPOINTS: Table = {
    ("GET", "/events"): Endpoint(
        events, media=sse.MEDIA, query=(
            Query("named", bool, True, "false: unnamed messages, the kind inside the data"),
            Query("kinds", str, "", f"only these, separated by commas, of {', '.join(KINDS)}"),
            sse.SILENCE,
        ),
    ),
    ("GET", "/events/stats"): Endpoint(stats),
}
