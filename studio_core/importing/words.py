"""An engine's arguments as its builder writes them from a recipe alone: no file is looked at, nothing installed is asked."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from studio_core.engines import llamacpp, sglang, tabbyapi, thinking, vllm
from studio_core.engines.argument import arguments
from studio_core.engines.catalog import Catalog, Flag, shipped
from studio_core.engines.engine import Bench
from studio_core.engines.parser import NONE, Choice, Choices
from studio_core.engines.reading import Reading, read
from studio_core.recipes.recipe import Recipe
from studio_core.settings import Settings

PORT = 1
_BENCH = Bench("127.0.0.1", PORT, "", Path("."), Settings({}, {}))


def _parsers(recipe: Recipe) -> Choices:
    """Those that the recipe names itself."""
    tool, reasoning = (None if name == NONE else name for name in (recipe.tool_call_parser, recipe.reasoning_parser))
    return Choices(Choice(tool, ""), Choice(reasoning, ""))


def _vllm(recipe: Recipe) -> list[str]:
    return arguments(vllm.own(recipe, _BENCH, _parsers(recipe)), thinking.extra(recipe), shipped("vllm"))


def _sglang(recipe: Recipe) -> list[str]:
    return arguments(sglang.own(recipe, _BENCH, _parsers(recipe)), thinking.extra(recipe), shipped("sglang"))


def _llamacpp(recipe: Recipe) -> list[str]:
    return arguments(llamacpp.served(recipe, _BENCH), recipe.extra_args, shipped("llamacpp"))


def _tabbyapi(recipe: Recipe) -> list[str]:
    """Its configuration as flags: every option is one, and each takes a value."""
    catalog, words = shipped("tabbyapi"), list[str]()
    named = {(flag.section, flag.key): flag for flag in catalog.flags}
    for section, options in tabbyapi.configuration(recipe, _BENCH).items():
        for key, value in options.items():
            flag = named[section, key]
            if key not in ("model_dir", "model_name", "disable_auth"):
                words += [flag.name, *(map(tabby_text, value) if isinstance(value, list) else [tabby_text(value)])]
    return words


def tabby_text(value: Any) -> str:
    """true and false as YAML has them, what is nested as JSON."""
    return json.dumps(value) if isinstance(value, bool | dict | list) else str(value)


WORDS: Mapping[str, Callable[[Recipe], list[str]]] = {
    "vllm": _vllm, "sglang": _sglang, "llamacpp": _llamacpp, "tabbyapi": _tabbyapi, "mlx": lambda _: [],
}


def words(engine: str, recipe: Recipe) -> list[str]:
    """Everything but the model: what Studio sets itself is among it, with a stand-in for the port."""
    return WORDS[engine](recipe)


@cache
def catalog_of(engine: str) -> Catalog:
    """The shipped flags as this engine's command line has them: to TabbyAPI's switches a value belongs."""
    catalog = shipped(engine)
    if engine != "tabbyapi":
        return catalog
    return Catalog(engine, catalog.version, tuple(_valued(flag) for flag in catalog.flags), catalog.label)


def _valued(flag: Flag) -> Flag:
    """What is nested is one JSON text a word."""
    flag = replace(flag, item="json") if flag.item.startswith("object") else flag
    return replace(flag, kind="json") if flag.kind == "bool" else flag


def reading(engine: str, given: list[str]) -> Reading:
    return read(given, catalog_of(engine))


def said(engine: str, recipe: Recipe) -> dict[str, Any]:
    """The values of those arguments, by the keys that `extra_args` would have."""
    return reading(engine, words(engine, recipe)).values
