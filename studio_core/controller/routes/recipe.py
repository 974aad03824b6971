"""Recipes: list, read, store, change with the version that was read, delete."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from starlette.responses import Response

from studio_core import wire
from studio_core.controller import prospect, view
from studio_core.controller.endpoint import Call, Endpoint, Query, Table
from studio_core.errors import BadRecipe, BadValue, Conflict, RecipeChanged
from studio_core.recipes.recipe import Recipe, parse
from studio_core.supervisor.preview import preview


async def every(call: Call) -> list[dict[str, Any]]:
    return await view.recipes(call.services)


async def one(call: Call) -> dict[str, Any]:
    stored = await call.services.recipes.get(call.path["recipe_id"])
    (found,) = await view.shown(call.services, [stored])
    return found


async def store(call: Call) -> Any:
    """Create or replace; with a `version` in the body only what has that version is replaced."""
    return await _put(call, parse(call.body))


async def change(call: Call) -> Any:
    recipe_id = call.path["recipe_id"]
    await call.services.recipes.get(recipe_id)
    return await _put(call, parse({**call.body, "id": recipe_id}))


async def _put(call: Call, recipe: Recipe) -> Any:
    version = call.body.get("version")
    if version is not None and (not isinstance(version, int) or isinstance(version, bool)):
        raise BadValue("the version is not a whole number", "", "send the version that GET answered")
    try:
        stored = await call.services.recipes.put(recipe, version)
    except RecipeChanged as error:
        return await _both(call, recipe, error)
    await _tell(call, recipe.id, stored)
    return wire.Stored(success=True, id=recipe.id, version=stored)


async def _both(call: Call, recipe: Recipe, error: RecipeChanged) -> Response:
    """The conflict with both texts, so that the person can choose."""
    stored = await call.services.recipes.get(recipe.id)
    body = {
        **error.body(), "version": stored.version, "yours": recipe.stored(),
        "stored": stored.recipe.stored() if stored.recipe else None,
    }
    return Response(msgspec.json.encode(body), error.status, media_type="application/json")


async def delete(call: Call) -> wire.Done:
    recipe_id = call.path["recipe_id"]
    if call.services.supervisor.serving(recipe_id) is not None:
        raise Conflict(f"recipe {recipe_id} is running", "", f"stop it first: studio stop {recipe_id}")
    await call.services.recipes.delete(recipe_id)
    await _tell(call, recipe_id, None)
    return wire.Done()


async def _tell(call: Call, recipe_id: str, version: int | None) -> None:
    """`version` None: it was deleted."""
    await call.services.changed()
    call.services.hub.publish("recipe", {"id": recipe_id, "version": version, "deleted": version is None}, recipe_id)


async def check(call: Call) -> wire.Check:
    return await _check(call, await call.services.recipes.usable(call.path["recipe_id"]), call.query["ask"])


async def check_fields(call: Call) -> wire.Check:
    """A field that cannot be is a finding like any other: the person is still writing."""
    try:
        return await _check(call, parse(call.body), call.query["ask"])
    except BadRecipe as error:
        parts = (one.partition(": ") for one in error.detail.split("; "))
        return wire.Check(problems=[wire.Finding(field=name, text=text or error.title) for name, _, text in parts])


async def _check(call: Call, recipe: Recipe, ask: bool) -> wire.Check:
    ports = {keeper.spec.port for keeper in call.services.supervisor.keepers() if keeper.life.claims}
    return await asyncio.to_thread(preview, recipe, call.services.settings, ask, ports)


async def plan(call: Call) -> wire.LaunchPlan:
    return await prospect.one(call.services, call.path["recipe_id"])


async def plans(call: Call) -> list[wire.LaunchPlan]:
    return await prospect.every(call.services)


ASK = Query("ask", bool, False, "ask the installed engine for its flags, which can take half a minute")
ENDPOINTS: Table = {
    ("GET", "/recipes"): Endpoint(every, list[wire.RecipeView]),
    ("GET", "/recipes/{recipe_id}"): Endpoint(one, wire.RecipeView),
    ("GET", "/recipes/{recipe_id}/plan"): Endpoint(plan, wire.LaunchPlan),
    ("GET", "/plans"): Endpoint(plans, list[wire.LaunchPlan]),
    ("POST", "/recipes"): Endpoint(store, wire.Stored, body=dict[str, Any]),
    ("POST", "/recipes/check"): Endpoint(check_fields, wire.Check, body=dict[str, Any], query=(ASK,)),
    ("PUT", "/recipes/{recipe_id}"): Endpoint(change, wire.Stored, body=dict[str, Any]),
    ("DELETE", "/recipes/{recipe_id}"): Endpoint(delete, wire.Done),
    ("GET", "/recipes/{recipe_id}/check"): Endpoint(check, wire.Check, query=(ASK,)),
}
