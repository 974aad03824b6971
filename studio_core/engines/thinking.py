"""Thinking budgets, as vLLM Studio gave them (anchors: its thinking_config of early 2026), and reasoning effort.

A budget reaches a model only through its chat template; templates that do not read the key ignore it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from studio_core.engines.argument import Option
from studio_core.engines.catalog import Catalog
from studio_core.engines.problem import Problem
from studio_core.recipes.recipe import Recipe

TEMPLATE_ARGUMENTS = "default_chat_template_kwargs"
FLAG = "--default-chat-template-kwargs"
# llama.cpp's flags → the field that each comes from.
LLAMA = {"--reasoning-budget": "max_thinking_tokens", "--reasoning-effort": "reasoning_effort"}
LOWEST, HIGHEST = 2048, 512_000
MULTIPLIERS = {"conservative": 0.25, "balanced": 1.0, "auto": 1.0, "aggressive": 2.0}
MODES = (*MULTIPLIERS, "disabled")
# Family → its base budget; the first whose words all occur in the name. A second number is for its reap-50 variant.
FAMILIES: tuple[tuple[str, tuple[tuple[str, ...], ...], int, int], ...] = (
    ("minimax", (("minimax", "m2"), ("minimax", "m-2")), 64_000, 128_000),
    ("intellect", (("intellect-3",), ("intellect_3",)), 64_000, 128_000),
    ("glm", tuple(("glm", version) for version in ("4.5", "4.6", "4.7", "4-5", "4-6", "4-7")), 32_000, 32_000),
    ("deepseek", (("deepseek", "r1"),), 64_000, 64_000),
)
INTELLECT_CONSERVATIVE = 16_384


def template_arguments(recipe: Recipe) -> dict[str, Any]:
    """The keys for the chat template that the recipe's thinking fields mean; empty where they mean nothing."""
    found: dict[str, Any] = {}
    family, base = _family(recipe)
    if recipe.thinking_mode == "disabled" and recipe.max_thinking_tokens is None:
        found = {"enable_thinking": False} if family == "minimax" else {}
    elif family or recipe.max_thinking_tokens is not None:
        found = {"max_thinking_tokens": _budget(recipe, family, base)}
    if recipe.reasoning_effort:
        found["reasoning_effort"] = recipe.reasoning_effort
    return found


def _family(recipe: Recipe) -> tuple[str, int]:
    name = f"{recipe.model_path} {recipe.served_model_name or ''}".lower()
    reaped = "reap-50" in name or "reap_50" in name
    for family, spellings, base, reap in FAMILIES:
        if any(all(word in name for word in words) for words in spellings):
            return family, reap if reaped else base
    return "", 32_000


def _budget(recipe: Recipe, family: str, base: int) -> int:
    if recipe.max_thinking_tokens is not None:
        tokens = recipe.max_thinking_tokens
    elif family == "intellect" and recipe.thinking_mode == "conservative":
        tokens = INTELLECT_CONSERVATIVE
    else:
        tokens = int(base * MULTIPLIERS.get(recipe.thinking_mode, 1.0))
    return max(LOWEST, min(HIGHEST, tokens))


def problems(recipe: Recipe, taken: Catalog) -> Iterator[Problem]:
    """A budget that the engine's version cannot be told."""
    told = template_arguments(recipe)
    if told and taken.find(FLAG) is None:
        said = next((name for name in ("max_thinking_tokens", "reasoning_effort") if getattr(recipe, name)), "thinking_mode")
        yield Problem(said, f"{taken.label} has no {FLAG}: {', '.join(told)} is not passed", "take a newer version", severe=False)


def options(recipe: Recipe) -> list[Option]:
    """llama.cpp's own words. Only what the recipe says itself: its budget cuts a thought off, which nobody asked of a default."""
    words: list[Option] = []
    if recipe.max_thinking_tokens is not None:
        words.append(("--reasoning-budget", str(_budget(recipe, *_family(recipe)))))
    if recipe.reasoning_effort:
        words.append(("--reasoning-effort", recipe.reasoning_effort))
    return words


def untold(recipe: Recipe, taken: Catalog) -> Iterator[Problem]:
    """Of these what an older server has no flag for: it starts without."""
    for flag, *_ in options(recipe):
        if taken.find(flag) is None:
            yield Problem(LLAMA[flag], f"{taken.label} has no {flag}: it is not passed", "take a newer version", severe=False)


def extra(recipe: Recipe, taken: Catalog | None = None) -> dict[str, Any]:
    """`extra_args`, with what the thinking fields add to the chat template's arguments; the person's own win, key by key.

    Null there means that nothing is added; so does an engine (`taken`) that has no flag for it.
    """
    found = dict(recipe.extra_args)
    if taken is not None and taken.find(FLAG) is None:
        return found
    key = next((name for name in found if name.lstrip("-").replace("-", "_") == TEMPLATE_ARGUMENTS), TEMPLATE_ARGUMENTS)
    if key in found and found[key] is None:
        return found
    given = found.get(key) or {}
    if isinstance(given, str):
        try:
            given = json.loads(given)
        except ValueError:
            return found
    told = {**template_arguments(recipe), **given} if isinstance(given, Mapping) else None
    return {**found, key: told} if told else found
