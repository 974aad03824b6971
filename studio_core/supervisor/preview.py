"""What a launch of a recipe would run, and what is wrong with it, before anything is started."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from studio_core import wire
from studio_core.engines import verdict
from studio_core.engines.container import HOST
from studio_core.engines.engine import Bench, Engine
from studio_core.engines.registry import find
from studio_core.engines.variable import is_secret
from studio_core.errors import PortTaken, StudioError
from studio_core.recipes.recipe import Recipe
from studio_core.settings import Settings
from studio_core.supervisor.assembly import LOOPBACK, furnished, hull_of, refuse_stranger

# In place of what only a launch decides.
PORT, KEY, FOLDER = 0, "KEY", "INSTANCE"
HIDDEN = "(hidden)"


def preview(recipe: Recipe, settings: Settings, ask: bool = False, own_ports: Collection[int] = ()) -> wire.Check:
    """Problems, command, environment and the lines for other machines. `ask` the engine for its flags: half a minute at worst.

    `own_ports` are held by engines of ours, which can leave. Port and folder of the command are stand-ins; secrets are
    hidden. Takes as long as the engine: call it in a thread.
    """
    try:
        engine = find(recipe.backend)
    except StudioError as error:
        return wire.Check(problems=[_problem("backend", error)])
    found = wire.Check(problems=[
        wire.Finding(field=one.field, text=one.text, hint=one.hint, severe=one.severe)
        for one in engine.problems(recipe, settings, ask)
    ])
    found.parsers = verdict.shown(verdict.verdicts([recipe], settings)[0])
    try:
        refuse_stranger(recipe, settings, own_ports)
    except PortTaken as error:
        found.problems.append(_problem("port", error))
    try:
        _show(found, recipe, engine, settings)
    except StudioError as error:
        if not any(one.severe for one in found.problems):
            found.problems.append(_problem("recipe", error))
    return found


def _show(found: wire.Check, recipe: Recipe, engine: Engine, settings: Settings) -> None:
    """Raises StudioError where the engine cannot express the recipe."""
    hull = hull_of(recipe, settings, FOLDER, PORT, Path(FOLDER))
    bench = Bench(HOST if hull else LOOPBACK, PORT, KEY, Path(FOLDER), settings)
    command, environment = furnished(recipe, engine, bench, FOLDER, hull)
    found.argv, found.origin = list(command.argv), command.origin
    found.environment = [
        wire.Variable(name=name, value=HIDDEN if is_secret(name) else value, origin=origin)
        for name, (value, origin) in sorted(environment.items())
    ]
    found.files = sorted(command.files)
    found.filters = recipe.filters.lines() if recipe.filters else []
    found.nodes = [wire.NodeLine(host=line.host, line=line.shell) for line in engine.nodes(recipe)]


def _problem(field: str, error: StudioError) -> wire.Finding:
    return wire.Finding(field=field, text=str(error), hint=error.hint)
