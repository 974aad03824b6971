"""Sleep and wake, adapters, slots: what a running instance is asked to do."""

from __future__ import annotations

import math
from typing import Any, Literal

import msgspec

from studio_core import wire
from studio_core.controller.endpoint import Call, Endpoint, Query, Table
from studio_core.controller.routes.lifecycle import cause
from studio_core.errors import BadValue, Conflict, NotFound
from studio_core.supervisor import instance, launch, nap
from studio_core.supervisor.keeper import Keeper


class Load(msgspec.Struct):
    name: str
    path: str


class Scale(msgspec.Struct):
    scale: float


class Slot(msgspec.Struct):
    """`file` is a plain file name in the folder of --slot-save-path."""

    action: Literal["save", "restore", "erase"]
    file: str = ""


def chosen(call: Call) -> Keeper:
    """The living instance that a path names by its own id or its recipe's. Raises NotFound."""
    name = call.path["instance"]
    found = [one for one in call.services.supervisor.keepers() if name in (one.id, one.spec.recipe_id) and one.life.alive]
    if not found:
        raise NotFound(f"nothing runs as {name[:200]}", "", "see: studio ps")
    return found[0]


def serving(call: Call) -> Keeper:
    """The same, ready. Raises Conflict."""
    keeper = chosen(call)
    if keeper.life.state != instance.READY:
        raise Conflict(f"{keeper.id} is {keeper.life.state}", "it must be ready", "see: studio ps")
    return keeper


async def sleep(call: Call) -> wire.Instance:
    keeper = chosen(call)
    if keeper.life.state != instance.SLEEPING:
        await call.services.supervisor.sleep(keeper, call.query["level"] or None, call.query["force"])
    return keeper.view()


async def wake(call: Call) -> wire.Instance:
    """A launch like any other: who must leave for it leaves first."""
    keeper, supervisor = chosen(call), call.services.supervisor
    begun = await supervisor.launch(keeper.spec.recipe_id)
    over = await supervisor.over(begun.id)
    if over.state != launch.READY:
        raise cause(over)
    return keeper.view()


async def adapters(call: Call) -> list[wire.Adapter]:
    return await nap.adapters(serving(call))


async def load(call: Call) -> list[wire.Adapter]:
    """Raises Conflict where another recipe has the name."""
    keeper = serving(call)
    for stored in await call.services.recipes.list():
        one = stored.recipe
        if one is not None and call.body.name.lower() in {name.lower() for name in one.public_names}:
            raise Conflict(f"the name {call.body.name!r} is taken", f"by the recipe {one.id}", "choose another")
    if not call.body.name.strip() or not call.body.path.strip():
        raise BadValue("an adapter has a name and a path", "one of them is empty", "give both")
    await nap.load_adapter(keeper, call.body.name, call.body.path)
    await call.services.changed()
    return await nap.adapters(keeper)


async def rescale(call: Call) -> list[wire.Adapter]:
    if not math.isfinite(call.body.scale):
        raise BadValue("the scale is no number", str(call.body.scale), "give one like 0.5")
    return await nap.scale_adapter(serving(call), call.path["name"], call.body.scale)


async def unload(call: Call) -> list[wire.Adapter]:
    keeper = serving(call)
    await nap.unload_adapter(keeper, call.path["name"])
    await call.services.changed()
    return await nap.adapters(keeper)


async def slots(call: Call) -> Any:
    return await nap.ask(serving(call), "slots")


async def change_slot(call: Call) -> Any:
    keeper, slot, wanted = serving(call), call.path["slot"], call.body
    if not slot.isdigit():
        raise BadValue("a slot is a number", repr(slot[:40]), "see: GET /instances/{instance}/slots")
    if wanted.action != "erase" and (not wanted.file or "/" in wanted.file or wanted.file.startswith(".")):
        raise BadValue("the file needs a plain name", repr(wanted.file[:40]), "it lies in the folder of --slot-save-path")
    return await nap.ask(keeper, f"{wanted.action} slot", slot=slot, file=wanted.file)


ENDPOINTS: Table = {
    ("POST", "/instances/{instance}/sleep"): Endpoint(sleep, wire.Instance, query=(
        Query("level", int, 0, "1 keeps the weights in host memory, 2 drops them; 0: as the recipe says", high=2),
        Query("force", bool, False, "do not wait for requests in flight"),
    )),
    ("POST", "/instances/{instance}/wake"): Endpoint(wake, wire.Instance),
    ("GET", "/instances/{instance}/adapters"): Endpoint(adapters, list[wire.Adapter]),
    ("POST", "/instances/{instance}/adapters"): Endpoint(load, list[wire.Adapter], body=Load),
    ("PUT", "/instances/{instance}/adapters/{name}"): Endpoint(rescale, list[wire.Adapter], body=Scale),
    ("DELETE", "/instances/{instance}/adapters/{name}"): Endpoint(unload, list[wire.Adapter]),
    ("GET", "/instances/{instance}/slots"): Endpoint(slots, list[dict[str, Any]]),
    ("POST", "/instances/{instance}/slots/{slot}"): Endpoint(change_slot, dict[str, Any], body=Slot),
}
