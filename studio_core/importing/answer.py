"""What was found, as it travels."""

from __future__ import annotations

from studio_core import wire
from studio_core.importing.found import Harvest
from studio_core.recipes.text import to_yaml


def answer(kind: str, found: Harvest) -> wire.Import:
    """Raises BadRecipe where a recipe is not valid after all."""
    made = [(one, one.recipe()) for one in found.recipes]
    recipes = [wire.Imported(recipe.stored(), to_yaml(recipe), list(one.notes), list(one.unknown)) for one, recipe in made]
    return wire.Import(kind, recipes, list(found.notes))
