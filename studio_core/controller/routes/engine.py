"""The engines of this machine: what is there, and installing one."""

from __future__ import annotations

import asyncio
from typing import Annotated

import msgspec

from studio_core import wire
from studio_core.controller.endpoint import Call, Endpoint, Table
from studio_core.engines.inventory import inventory


class Wanted(wire.Model):
    """Which version; the newest without one."""

    version: Annotated[str, msgspec.Meta(max_length=40)] = ""


async def every(call: Call) -> wire.Engines:
    recipes = [one.recipe for one in await call.services.recipes.list() if one.recipe is not None]
    found = await asyncio.to_thread(inventory, call.services.settings, recipes)
    return wire.Engines(engines=found, jobs=call.services.jobs.list())


async def install(call: Call) -> wire.Job:
    return await asyncio.to_thread(call.services.jobs.start, call.path["engine"], call.body.version)


async def cancel(call: Call) -> wire.Job:
    return call.services.jobs.cancel(call.path["engine"])


ENDPOINTS: Table = {
    ("GET", "/engines"): Endpoint(every, wire.Engines),
    ("POST", "/engines/{engine}/install"): Endpoint(install, wire.Job, body=Wanted),
    ("DELETE", "/engines/{engine}/install"): Endpoint(cancel, wire.Job),
}
