"""The structured fields of a recipe as an engine's flags: one table per engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from studio_core.engines.argument import Option
from studio_core.recipes.recipe import Recipe


@dataclass(frozen=True, slots=True)
class Field:
    """A field of the Recipe and its flag. Values among `unsaid` are the engine's own default and are not passed."""

    name: str
    flag: str
    unsaid: tuple[Any, ...] = (None,)


def options(recipe: Recipe, fields: Sequence[Field]) -> list[Option]:
    """The flags of these fields; true is a bare flag."""
    found: list[Option] = []
    for field in fields:
        value = getattr(recipe, field.name)
        if value is True:
            found.append((field.flag,))
        elif value is not False and value not in field.unsaid:
            found.append((field.flag, str(value)))
    return found
