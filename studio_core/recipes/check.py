"""What would stop a recipe from starting, known before the start."""

from __future__ import annotations

from collections.abc import Callable

from studio_core.errors import StudioError
from studio_core.recipes.recipe import Recipe
from studio_core.settings import Settings

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
# An engine's own check (`engines.registry.find(recipe.backend).check`), handed in: recipes do not know engines.
EngineCheck = Callable[[Recipe, Settings], None]


def problems(recipe: Recipe, settings: Settings, engine_check: EngineCheck) -> list[str]:
    """Each problem as one line with its remedy; empty when a launch may be tried.

    Takes as long as the engine's check: call it in a thread.
    """
    found = []
    if recipe.host not in LOOPBACK:
        found.append(f"host {recipe.host} is not used: engines listen on loopback, clients reach them through the gateway")
    try:
        engine_check(recipe, settings)
    except StudioError as error:
        found.append(error.line())
    return found
