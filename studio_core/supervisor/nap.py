"""What is asked of a running engine: sleep and wake, adapters, slots. Each by the engine's table of actions."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import yaml

from studio_core import room, wire
from studio_core.engines import action, adapter
from studio_core.errors import Conflict, NotFound, StudioError
from studio_core.supervisor import instance
from studio_core.supervisor.departure import Departure
from studio_core.supervisor.keeper import Keeper


async def ask(keeper: Keeper, what: str, **values: Any) -> Any:
    """One action of its engine. Raises Conflict where it cannot, Unavailable where it would not."""
    spec = keeper.spec
    chosen = action.find(spec.engine, what, spec.argv, spec.env)
    known = {"model_path": spec.recipe.get("model_path", ""), "model": _model(keeper), **values}
    return await action.perform(chosen, keeper.address, spec.api_key, known, partial(_show, keeper))


def level_of(keeper: Keeper, level: int | None = None) -> int:
    return level or int(keeper.spec.recipe.get("sleep_level") or 1)


def can_sleep(keeper: Keeper) -> bool:
    """Whether its recipe wants it to sleep and its engine, as it was started, can."""
    try:
        action.find(keeper.spec.engine, f"sleep {level_of(keeper)}", keeper.spec.argv, keeper.spec.env)
    except Conflict:
        return False
    return keeper.spec.recipe.get("sleep_level") is not None


async def sleep(keeper: Keeper, departure: Departure, level: int | None = None, force: bool = False, patience: float | None = None,
                unasked: bool = False) -> None:
    """Drain it, then let it give its memory back. `unasked`: only as long as nobody wants it.

    Raises:
        Conflict: it does not serve, cannot sleep, or its requests do not end. Unavailable: the engine refused; it serves on.
    """
    deep = level_of(keeper, level)
    action.find(keeper.spec.engine, f"sleep {deep}", keeper.spec.argv, keeper.spec.env)
    async with keeper.turn:
        if keeper.life.state != instance.READY:
            raise Conflict(f"{keeper.spec.recipe_id} is {keeper.life.state}", "only what is ready can sleep", "see: studio ps")
        await departure.drain(keeper, force, patience)
        if unasked:
            departure.yield_to_requests(keeper)
        try:
            keeper.condition.sleeps(deep)
            await ask(keeper, f"sleep {deep}")
        except OSError as error:
            keeper.happen("undrain")
            raise room.full(Path(keeper.spec.cwd), "it was not sent to sleep") from error
        except BaseException:
            keeper.condition.wakes()
            keeper.happen("undrain")
            raise
        keeper.happen("sleeps")


async def wake(keeper: Keeper) -> None:
    """Let it take its memory again. One that does not come whole out of its sleep is stopped: nobody knows what it would answer.

    Raises:
        StudioError: it did not wake.
    """
    async with keeper.turn:
        try:
            await ask(keeper, f"wake {keeper.condition.asleep or 1}")
        except StudioError:
            await keeper.stop()
            raise
        keeper.condition.wakes()
        keeper.happen("wakes")


async def adapters(keeper: Keeper) -> list[wire.Adapter]:
    """Those of its recipe and those that were loaded since; of llama.cpp what the engine itself says."""
    if "adapters" in action.TABLE.get(keeper.spec.engine, {}):
        return [one for _, one in await _numbered(keeper)]
    stored = keeper.spec.recipe.get("lora_adapters") or []
    return [
        *(wire.Adapter(name=one["name"], path=one["path"], origin="recipe") for one in stored),
        *(wire.Adapter(name=name, path=path) for name, path in keeper.condition.adapters.items()),
    ]


async def _numbered(keeper: Keeper) -> list[tuple[int, wire.Adapter]]:
    """llama.cpp's adapters with its numbers; it knows files, the recipe their names."""
    stored = {adapter.place(one["path"]): one["name"] for one in keeper.spec.recipe.get("lora_adapters") or []}
    found = []
    for one in await ask(keeper, "adapters"):
        number, path = int(one.get("id", 0)), str(one.get("path", ""))
        name = stored.get(path, str(number))
        found.append((number, wire.Adapter(name=name, path=path, origin="recipe", scale=one.get("scale"))))
    return found


async def scale_adapter(keeper: Keeper, name: str, scale: float) -> list[wire.Adapter]:
    """How much of an adapter counts from now on, in every request. Raises NotFound, Conflict, Unavailable."""
    async with keeper.turn:
        action.find(keeper.spec.engine, "scale adapters", keeper.spec.argv, keeper.spec.env)
        before = await _numbered(keeper)
        if name not in {one.name for _, one in before}:
            raise NotFound(f"{keeper.id} has no adapter {name}", "", f"see: studio adapters {keeper.spec.recipe_id}")
        # What is not named would be set to 0.
        scales = [{"id": number, "scale": scale if one.name == name else one.scale} for number, one in before]
        await ask(keeper, "scale adapters", scales=scales)
        return [one for _, one in await _numbered(keeper)]


async def load_adapter(keeper: Keeper, name: str, path: str) -> None:
    """Raises Conflict: the name is taken, or it cannot. Unavailable: the engine refused."""
    async with keeper.turn:
        if name.lower() in {one.lower() for one in keeper.names}:
            raise Conflict(f"the name {name!r} is taken", f"{keeper.spec.recipe_id} answers to it already", "choose another")
        await ask(keeper, "load adapter", name=name, path=path)
        keeper.condition.adapts({**keeper.condition.adapters, name: path})
        keeper.tell()


async def unload_adapter(keeper: Keeper, name: str) -> None:
    """Raises NotFound, Conflict, Unavailable."""
    async with keeper.turn:
        if name not in keeper.condition.adapters:
            raise NotFound(f"no adapter {name} was loaded into {keeper.id}", "", f"see: studio adapters {keeper.spec.recipe_id}")
        await ask(keeper, "unload adapter", name=name)
        keeper.condition.adapts({one: path for one, path in keeper.condition.adapters.items() if one != name})
        keeper.tell()


def _model(keeper: Keeper) -> dict[str, Any]:
    """What TabbyAPI needs to load its model again: the model section of the configuration it was started with."""
    text = keeper.spec.files.get("config.yml")
    section = (yaml.safe_load(text) or {}).get("model", {}) if text else {}
    return {name: value for name, value in section.items() if name != "model_dir"}


def _show(keeper: Keeper, event: Any) -> None:
    """Streamed progress of a load, as TabbyAPI tells it: a model type, a module, modules in all."""
    if isinstance(event, dict) and event.get("modules"):
        done = 100.0 * float(event.get("module") or 0) / float(event["modules"])
        keeper.progress = wire.Progress(stage="loading the model", percent=min(99.0, done))
        keeper.tell()
