"""A recipe's LoRA adapters in the words of each engine, and what cannot be said."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from studio_core.engines.argument import Option
from studio_core.engines.problem import Problem
from studio_core.recipes.recipe import Recipe

FIELD = "lora_adapters"


def place(path: str) -> str:
    """A path with the user's folder filled in; a hub id as it is."""
    return str(Path(path).expanduser()) if path.startswith("~") else path


def named(recipe: Recipe, flag: str) -> list[Option]:
    """vLLM's and SGLang's words: `name=path` each."""
    pairs = (f"{one.name}={place(one.path)}" for one in recipe.lora_adapters)
    return [("--enable-lora",), (flag, *pairs)] if recipe.lora_adapters else []


def scaled(recipe: Recipe) -> list[Option]:
    """llama.cpp's. Its numbers for the adapters follow their order, so one flag has all of them."""
    if not recipe.lora_adapters:
        return []
    if all(one.scale is None for one in recipe.lora_adapters):
        return [("--lora", ",".join(place(one.path) for one in recipe.lora_adapters))]
    pairs = (f"{place(one.path)}:{1.0 if one.scale is None else one.scale}" for one in recipe.lora_adapters)
    return [("--lora-scaled", ",".join(pairs))]


def no_scale(recipe: Recipe, title: str) -> Iterator[Problem]:
    """Of engines whose adapters have the scale that they were trained with."""
    if any(one.scale is not None for one in recipe.lora_adapters):
        yield Problem(FIELD, f"{title} takes no scale of an adapter", "its own lora_alpha counts; leave scale out", severe=False)
    yield from missing(recipe)


def missing(recipe: Recipe) -> Iterator[Problem]:
    """Adapters that are named by a path and are not there."""
    for one in recipe.lora_adapters:
        path = Path(place(one.path))
        if path.is_absolute() and not path.exists():
            yield Problem(FIELD, f"the adapter {path} is not there", "correct its path")


def files(recipe: Recipe) -> Iterator[Problem]:
    """llama.cpp's: files whose names its lists can hold."""
    yield from missing(recipe)
    for one in recipe.lora_adapters:
        if "," in one.path or (one.scale is not None and ":" in one.path):
            yield Problem(FIELD, f"llama.cpp cannot be told the path {one.path}", "rename it: without comma and colon")
