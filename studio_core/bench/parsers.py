"""How far the families table agrees with vLLM's own recipes, by the names of their models alone. From a checkout only."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from studio_core.bench.figure import Row
from studio_core.engines.parser import choose
from studio_core.models.facts import ModelFacts

RECORDED = Path(__file__).parents[2] / "tests" / "engines" / "recorded" / "vllm_recipes.json"
Pair = tuple[str | None, str | None]


@dataclass(frozen=True, slots=True)
class Agreement:
    """`differing`: model → (tool, reasoning) of its recipe, and ours. `explained`: model → why they differ."""

    models: int
    differing: dict[str, tuple[Pair, Pair]]
    explained: dict[str, str]


def measure() -> list[Row]:
    """Models that agree, of all, and the disagreements that nobody explained; no row outside of a checkout."""
    if not RECORDED.exists():
        return []
    found = agreement()
    same = found.models - len(found.differing)
    unexplained = set(found.differing) - set(found.explained)
    return [
        Row("parsers: models that agree with vLLM's recipes", float(same), "models", None,
            f"of {found.models}, {same / found.models:.1%}; by name alone"),
        Row("parsers: disagreements without an explanation", float(len(unexplained)), "models", 0.0,
            f"of {len(found.differing)} disagreements"),
    ]


@lru_cache(maxsize=1)
def agreement() -> Agreement:
    """Every model of the recipes against the table."""
    data = json.loads(RECORDED.read_text(encoding="utf-8"))
    ours = {model: _ours(model) for model in data["models"]}
    recipes: dict[str, Pair] = {model: (tool, reasoning) for model, (tool, reasoning) in data["models"].items()}
    differing = {model: (said, ours[model]) for model, said in recipes.items() if said != ours[model]}
    return Agreement(len(recipes), differing, data["explained"])


def _ours(model: str) -> Pair:
    found = choose("vllm", ModelFacts(names=(model.rpartition("/")[2],)))
    return found.tool.name, found.reasoning.name
