"""Requests under way over all gateways: who waits, who is answered, and since when; and their end by a person's word."""

from __future__ import annotations

from studio_core import wire
from studio_core.controller.endpoint import Call, Caller, Endpoint, Table
from studio_core.errors import Denied, NotFound
from studio_core.gateway.table import Ask
from studio_core.routes import ADMIN, sees_all


async def requests(call: Call) -> wire.Flights:
    told = await call.services.ask(Ask(number=0))
    seen = sorted((one for part in told for one in part.flights), key=lambda one: -one.age_s)
    if _all(call.caller):
        return wire.Flights(requests=seen, total=sum(part.total for part in told))
    mine = [one for one in seen if _own(one, call.caller)]
    return wire.Flights(requests=mine, total=len(mine))


async def cancel(call: Call) -> wire.Done:
    """Raises NotFound, Denied."""
    name, caller = call.path["request_id"], call.caller
    found = next((one for one in (await requests(call)).requests if one.id == name), None)
    if found is None:
        raise NotFound(f"no request {name[:100]} is under way", "", "see: studio requests")
    if not (caller.owner or ADMIN in caller.scopes or _own(found, caller)):
        raise Denied("this request is another's", name[:100], "use its key, or an admin key")
    told = await call.services.ask(Ask(number=0, cut=name, by=caller.id))
    if not any(part.found for part in told):
        raise NotFound(f"request {name[:100]} has just ended", "", "see: studio requests")
    return wire.Done()


def _all(caller: Caller) -> bool:
    return caller.owner or sees_all(caller.scopes)


def _own(one: wire.Flight, caller: Caller) -> bool:
    """Nobody knows one anonymous caller from another."""
    return one.key is not None and one.key == caller.id


ENDPOINTS: Table = {
    ("GET", "/v1/studio/requests"): Endpoint(requests, wire.Flights),
    ("DELETE", "/v1/studio/requests/{request_id}"): Endpoint(cancel, wire.Done),
}
