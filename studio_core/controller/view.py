"""What the API shows of the services' state, under vLLM Studio's names and ours."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from studio_core import wire
from studio_core.controller.services import Services
from studio_core.engines import registry, verdict
from studio_core.engines.parser import Choices
from studio_core.errors import StudioError
from studio_core.models import weight
from studio_core.store.launch import LastReady
from studio_core.store.recipe import StoredRecipe
from studio_core.store.request import Used
from studio_core.supervisor import instance, launch

# The state of an instance → vLLM Studio's status of its recipe.
STATUS = {
    **dict.fromkeys(instance.COMING, "starting"),
    **dict.fromkeys((instance.READY, instance.SLEEPING, instance.DRAINING), "running"),
    **dict.fromkeys((instance.FAILED, instance.STUCK), "error"),
}
# The share of a start that each stage had in vLLM Studio; `waiting` grows from its share to 1.
SHARES = {"launching": 0.25, "waiting": 0.5, "ready": 1.0}


def status(services: Services) -> wire.Status:
    """What runs, and every process of Studio."""
    supervisor, daemons, settings = services.supervisor, services.daemons, services.settings
    instances = live(services)
    serving = next((one for one in instances if one.state == instance.READY), None)
    launches = supervisor.launches()
    under_way = [one.recipe_id for one in launches if one.state not in launch.OVER]
    return wire.Status(
        running=serving is not None,
        process=process(serving),
        inference_port=serving.port if serving else settings.inference_port,
        launching=under_way[-1] if under_way else None,
        controller=daemons.controller(), gateway=daemons.gateway(), probe=daemons.probe(),
        instances=instances, launches=launches, holds=sorted(supervisor.holds),
        notices=services.notices(), foreign=services.foreign.view(services.gpu.latest()), state_dir=str(services.places.root),
    )


def live(services: Services) -> list[wire.Instance]:
    """The instances with the gateways' counts."""
    found = services.supervisor.instances()
    inflight, waiting = services.daemons.inflight(), services.daemons.waiting()
    for one in found:
        one.running, one.waiting = inflight.get(one.id, 0), waiting.get(one.recipe_id, 0)
    return found


def process(one: wire.Instance | None) -> wire.Process | None:
    """An instance as vLLM Studio's clients know it."""
    if one is None:
        return None
    return wire.Process(
        pid=one.engine_pid, backend=one.engine, model_path=one.model_path, port=one.port,
        served_model_name=next(iter(one.served_names), None),
    )


def progress(one: wire.Launch) -> dict[str, Any]:
    """The data of a `launch_progress` event."""
    share = SHARES.get(one.stage, 0.0)
    if one.stage == "waiting" and one.progress.percent is not None:
        share += (1 - share) * one.progress.percent / 100
    return {
        "recipe_id": one.recipe_id, "stage": one.stage, "message": one.progress.message or one.message, "progress": share,
        "state": one.state, "launch_id": one.id, "instance": one.instance_id, "launch": wire.to_builtins(one),
    }


def outcome(one: wire.Launch, instances: list[wire.Instance]) -> wire.LaunchAnswer:
    """What POST /launch answers."""
    mine = next((each for each in instances if each.id == one.instance_id), None)
    return wire.LaunchAnswer(
        success=one.state not in launch.OVER or one.state == launch.READY,
        message=one.message, pid=mine.engine_pid if mine else None, log_file=one.log_file,
        instance=one.instance_id, launch_id=one.id,
    )


async def recipes(services: Services) -> list[dict[str, Any]]:
    """Every recipe: its own fields at the top, as vLLM Studio answered, and ours beside them."""
    return await shown(services, await services.recipes.list())


async def shown(services: Services, stored: Sequence[StoredRecipe]) -> list[dict[str, Any]]:
    """These recipes, with the parsers that each would run with."""
    last, used = await services.launches.last_ready(), await services.figures.used()
    readable = [one.recipe for one in stored if one.recipe is not None]
    found = await asyncio.to_thread(verdict.verdicts, readable, services.settings)
    sizes = await asyncio.to_thread(lambda: [weight.size(one.model_path) for one in readable])
    known = {recipe.id: (choices, size) for recipe, choices, size in zip(readable, found, sizes, strict=True)}
    return [
        _recipe(services, one, *known.get(one.id, (None, None)), last.get(one.id), used.get(one.id, Used())) for one in stored
    ]


def _recipe(
    services: Services, stored: StoredRecipe, choices: Choices | None, size: int | None, last: LastReady | None, used: Used
) -> dict[str, Any]:
    """One recipe; a row that cannot be read is shown with its problem."""
    one = stored.recipe
    keeper = services.supervisor.serving(stored.id)
    state = keeper.life.state if keeper else ""
    failed = services.supervisor.failure(stored.id)
    fields = one.stored() if one else {}
    at = max((each for each in (_moment(last), used.at) if each is not None), default=None)
    view = wire.RecipeView(
        id=stored.id, name=one.title if one else stored.id, backend=one.backend if one else "",
        model_path=one.model_path if one else "", version=stored.version,
        status=STATUS.get(state, "error" if failed or one is None else "stopped"),
        recipe=fields, instance_id=keeper.id if keeper else None, state=state,
        hold=stored.id in services.supervisor.holds, problems=_problems(stored),
        last_used_at=None if at is None else datetime.fromtimestamp(at, UTC).isoformat(),
        last_used_age_s=None if at is None else max(0.0, time.time() - at),
        last_load_s=last.seconds if last else None, memory_bytes=last.memory_bytes if last else None,
        size_bytes=size, tokens_per_s=used.rate, parsers=verdict.shown(choices),
    )
    short = {"tp": one.tensor_parallel_size, "pp": one.pipeline_parallel_size} if one else {}
    return {**fields, **short, **wire.to_builtins(view)}


def _problems(stored: StoredRecipe) -> list[str]:
    """Why it can never be launched as it is: it cannot be read, or nothing here starts its engine."""
    if stored.recipe is None:
        return [stored.problem]
    try:
        registry.find(stored.recipe.backend)
    except StudioError as error:
        return [str(error)]
    return []


def _moment(last: LastReady | None) -> float | None:
    return datetime.fromisoformat(last.at).timestamp() if last else None
