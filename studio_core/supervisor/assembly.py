"""From a recipe to the spec of one instance: port, key, command, environment."""

from __future__ import annotations

import os
import secrets
from collections.abc import Collection, Mapping
from pathlib import Path

from studio_core.engines import container, machine, runtime
from studio_core.engines.container import Hull
from studio_core.engines.engine import Bench, Command, Engine
from studio_core.errors import PortTaken
from studio_core.paths import Places
from studio_core.recipes.recipe import Recipe
from studio_core.settings import Settings
from studio_core.supervisor import port
from studio_core.supervisor.environment import compose
from studio_core.supervisor.spec import Spec, new

# The mark by which a process of an instance is known, as long as it has not wiped its environment.
MARK = "STUDIO_INSTANCE"
LOOPBACK = "127.0.0.1"


def assemble(
    recipe: Recipe, engine: Engine, launch_id: str, places: Places, settings: Settings, taken: Collection[int], restarts: int = 0,
    origin: str = "",
) -> Spec:
    """The spec of a new instance. Engines listen on loopback with a random key; nothing is written yet.

    Raises:
        BadRecipe: the engine cannot express the recipe.
        PortTaken: the recipe insists on a port that somebody holds.
    """
    instance_id = f"{recipe.id}-{secrets.token_hex(3)}"
    folder = places.instance(instance_id)
    number = _port(recipe, settings, taken)
    key = secrets.token_hex(32)
    hull = hull_of(recipe, settings, instance_id, number, folder)
    bench = Bench(container.HOST if hull else LOOPBACK, number, key, folder, settings)
    command, environment = furnished(recipe, engine, bench, instance_id, hull)
    stop = recipe.stop_command or (container.stop_command(hull) if hull else ())
    return new(
        instance=instance_id,
        recipe_id=recipe.id,
        launch_id=launch_id,
        argv=list(command.argv),
        env={name: value for name, (value, _) in environment.items()},
        cwd=command.cwd or str(Path("/")),
        files=dict(command.files),
        host=LOOPBACK,
        port=number,
        api_key=key,
        grace_s=recipe.grace_s or settings.grace_s,
        restarts=restarts,
        origin=origin,
        stop_command=list(stop),
        container=hull.program if hull else "",
        engine=engine.name,
        served_names=list(recipe.public_names),
        recipe=recipe.stored(),
        log_head_bytes=settings.log_head_bytes,
        log_segment_bytes=settings.log_segment_bytes,
        log_segments=settings.log_segments,
    )


def hull_of(recipe: Recipe, settings: Settings, instance_id: str, number: int, folder: Path) -> Hull | None:
    """What a container of the recipe is made for; None when it runs without. Raises BadRecipe: there is no runtime."""
    return Hull(instance_id, number, folder, container.program(settings)) if runtime.contained(recipe) else None


def furnished(
    recipe: Recipe, engine: Engine, bench: Bench, instance_id: str, hull: Hull | None
) -> tuple[Command, Mapping[str, tuple[str, str]]]:
    """The command and its whole environment, name → (value, origin). Raises BadRecipe."""
    command = engine.command(recipe, bench)
    own = ours(recipe, instance_id) | dict(command.env)
    environment = compose(os.environ, bench.settings.engine_env, recipe.env_vars, own)
    return container.wrap(recipe, engine.name, command, environment, hull) if hull else (command, environment)


def ours(recipe: Recipe, instance_id: str) -> dict[str, str]:
    """The variables that Studio gives every engine."""
    found = {MARK: instance_id, "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    if recipe.gpus is not None:
        found["HIP_VISIBLE_DEVICES" if machine.rocm() else "CUDA_VISIBLE_DEVICES"] = ",".join(recipe.gpus)
    return found


def refuse_stranger(recipe: Recipe, settings: Settings, own: Collection[int]) -> None:
    """Whether the recipe insists on a port that a stranger holds, known before anybody leaves for it. Raises PortTaken."""
    if recipe.port not in (None, settings.inference_port, *own):
        _port(recipe, settings, ())


def _port(recipe: Recipe, settings: Settings, taken: Collection[int]) -> int:
    """The inference port or the next free one; a port of the recipe's own is a demand, not a wish."""
    first: int = settings.inference_port
    if recipe.port is None or recipe.port == first:
        return port.pick(first, taken)
    holder = port.holder(recipe.port)
    if recipe.port in taken or holder is not None or not port.is_free(LOOPBACK, recipe.port):
        by = f"held by {holder}" if holder else "another engine of Studio holds it"
        free = port.pick(first, taken)
        raise PortTaken(f"port {recipe.port} of recipe {recipe.id} is taken", by, f"free is {free}; or leave `port` out")
    return recipe.port
