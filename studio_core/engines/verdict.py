"""Which parsers stored recipes would run with on this machine: for those who look, before anything is started."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from studio_core import wire
from studio_core.engines import parser, registration, registry, runtime, sglang, vllm
from studio_core.engines.package import Package
from studio_core.engines.parser import Choices, Known
from studio_core.errors import StudioError
from studio_core.recipes.recipe import Recipe
from studio_core.settings import Settings

# The engines whose parsers are to be chosen, with the package that can be looked into.
PACKAGES: Mapping[str, Package | None] = {"vllm": vllm.PACKAGE, "sglang": sglang.PACKAGE, "tabbyapi": None}


def verdicts(recipes: Sequence[Recipe], settings: Settings) -> list[Choices | None]:
    """For each recipe its choices, None for an engine that has none. Stats a few files per recipe: call it in a thread."""
    seen: dict[tuple[object, ...], Known | None] = {}
    return [_verdict(recipe, settings, seen) for recipe in recipes]


def shown(choices: Choices | None) -> dict[str, wire.Parser]:
    """As it travels: by kind, and what the family's documents pass beside them."""
    pairs = {"tool": choices.tool, "reasoning": choices.reasoning} if choices else {}
    found = {kind: wire.Parser(name=choice.name, reason=choice.reason) for kind, choice in pairs.items()}
    if choices and choices.wants:
        reason = f"the documents of {choices.family} pass it beside; not passed here"
        found["wants"] = wire.Parser(name=choices.wants, reason=reason)
    return found


def _verdict(recipe: Recipe, settings: Settings, seen: dict[tuple[object, ...], Known | None]) -> Choices | None:
    try:
        engine = registry.find(recipe.backend).name
    except StudioError:
        return None
    if engine not in PACKAGES:
        return None
    # All that a program is found by; many recipes share one.
    ran = (recipe.runtime.kind, recipe.runtime.ref) if recipe.runtime is not None else None
    key = (engine, ran, recipe.binary, recipe.python_path, str(recipe.extra_args.get("venv_path")), runtime.contained(recipe))
    if key not in seen:
        seen[key] = _known(engine, recipe, settings)
    return parser.of_recipe(recipe, engine, seen[key])


def _known(engine: str, recipe: Recipe, settings: Settings) -> Known | None:
    """The names that the recipe's engine has; None where there is none to look into."""
    package = PACKAGES[engine]
    if package is None:
        return None
    try:
        found = package.program(recipe, settings)
    except StudioError:
        return None
    return registration.known(engine, found.python, package.flags(found))
