"""What launches would do: the planner's word, who leaves for it, whether the model fits, how long its start takes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from studio_core import wire
from studio_core.controller.services import Services
from studio_core.engines import forecast
from studio_core.models import cached, weight
from studio_core.recipes.recipe import Recipe
from studio_core.store.launch import LastReady
from studio_core.store.recipe import StoredRecipe
from studio_core.supervisor import fit, instance, memory, planner
from studio_core.supervisor.keeper import Keeper

# The field of the planner's word that is set → the outcome.
OUTCOMES = (("joined", "joins"), ("serving", "serves"), ("pinned", "pinned"))


async def one(services: Services, recipe_id: str) -> wire.LaunchPlan:
    """Raises NotFound."""
    (found,) = await _plans(services, [await services.recipes.get(recipe_id)])
    if found.outcome in ("starts", "pinned"):
        found.expected_s = await _expected(services, recipe_id) or found.expected_s
    return found


async def every(services: Services) -> list[wire.LaunchPlan]:
    """Of all recipes; what is expected is the time of each one's last start."""
    return await _plans(services, await services.recipes.list())


async def _plans(services: Services, stored: list[StoredRecipe]) -> list[wire.LaunchPlan]:
    last = await services.launches.last_ready()
    paths = [one.recipe.model_path for one in stored if one.recipe is not None]
    weights = await asyncio.to_thread(lambda: {path: weight.size(path) for path in paths})
    return [_plan(services, each, last.get(each.id), weights) for each in stored]


def _plan(
    services: Services, stored: StoredRecipe, last: LastReady | None, weights: Mapping[str, int | None]
) -> wire.LaunchPlan:
    recipe = stored.recipe
    if recipe is None:
        return wire.LaunchPlan(recipe_id=stored.id, outcome="broken")
    supervisor = services.supervisor
    plan = supervisor.plan(recipe)
    mine = supervisor.serving(stored.id)
    sleeper = mine if mine is not None and mine.life.state == instance.SLEEPING else None
    going = [] if plan.serving or plan.joined else supervisor.leaving(recipe, sleeper)
    sample = services.gpu.latest()
    gpus = fit.chosen(recipe, sample.gpus)
    needed = fit.need(recipe, gpus, last.memory_bytes if last else None, weights.get(recipe.model_path))
    back = sum(memory.usage(keeper.processes()).resident for keeper in going)
    free = fit.space(gpus, sample.host, [keeper.id for keeper in going], back)
    return wire.LaunchPlan(
        recipe_id=stored.id, outcome=_outcome(sleeper, plan),
        leaving=[_leaving(services, recipe, keeper) for keeper in going],
        supersedes=[supervisor.launch_state(name).recipe_id for name in plan.supersedes],
        drain_s=services.settings.drain_s, expected_s=last.seconds if last else None,
        needs_bytes=needed.bytes, source=needed.source, free_bytes=free.bytes, place=free.place, fits=fit.fits(needed, free),
    )


def _outcome(sleeper: Keeper | None, plan: planner.Plan) -> str:
    word = next((word for field, word in OUTCOMES if getattr(plan, field)), "starts")
    return "wakes" if sleeper is not None and word == "starts" else word


def _leaving(services: Services, recipe: Recipe, keeper: Keeper) -> wire.Leaving:
    shared = sorted(set(recipe.gpus or ()) & set(keeper.spec.recipe.get("gpus") or ()))
    if keeper.spec.recipe_id == recipe.id:
        why = "what is left of its last start"
    elif shared:
        why = f"it is on GPU {', '.join(shared)} too"
    else:
        why = "one model runs at a time (setting exclusive)"
    return wire.Leaving(
        instance_id=keeper.id, recipe_id=keeper.spec.recipe_id, name=keeper.spec.recipe.get("name") or keeper.spec.recipe_id,
        state=keeper.life.state, why=why, running=services.daemons.inflight().get(keeper.id, 0),
        pinned=bool(keeper.spec.recipe.get("pin")) and keeper.life.alive,
    )


async def _expected(services: Services, recipe_id: str) -> float | None:
    """The start of this recipe as it stands now, with its model where it now lies: in memory or on disk."""
    recipe = await services.recipes.usable(recipe_id)
    cache = await asyncio.to_thread(cached.state, recipe.model_path)
    starts = forecast.alike(await services.launches.starts(recipe_id), forecast.shape(recipe.stored()), cache, "")
    found = forecast.outlook(starts, {}, 0.0)
    return None if found is None else round(found.total_s, 1)
