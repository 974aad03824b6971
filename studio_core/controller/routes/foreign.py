"""Engines that somebody else started: attach, detach, and stop on a person's word."""

from __future__ import annotations

from studio_core import wire
from studio_core.controller.endpoint import Call, Endpoint, Table
from studio_core.errors import BadValue


def _pid(call: Call) -> int:
    text = call.path["pid"]
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise BadValue(f"{text[:40]!r} is no pid", "", "see: studio ps")
    return int(text)


async def foreign(call: Call) -> list[wire.Foreign]:
    await call.services.foreign.look()
    return call.services.foreign.view(call.services.gpu.latest())


async def attach(call: Call) -> wire.Foreign:
    found = await call.services.foreign.attach(_pid(call), call.body)
    await call.services.changed()
    return found


async def detach(call: Call) -> wire.Done:
    call.services.foreign.detach(_pid(call))
    await call.services.changed()
    return wire.Done()


async def stop(call: Call) -> wire.Done:
    await call.services.foreign.stop_engine(_pid(call), call.body)
    return wire.Done()


ENDPOINTS: Table = {
    ("GET", "/foreign"): Endpoint(foreign, list[wire.Foreign]),
    ("POST", "/foreign/{pid}/attach"): Endpoint(attach, wire.Foreign, body=wire.Attach),
    ("POST", "/foreign/{pid}/detach"): Endpoint(detach, wire.Done),
    ("POST", "/foreign/{pid}/stop"): Endpoint(stop, wire.Done, body=wire.ForeignStop),
}
