"""Whether a recipe fits: what it needs against what will be free. Pure; bytes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from studio_core import wire
from studio_core.recipes.recipe import Recipe

GPU, HOST = "gpu", "host"
# Engines that take a share of each GPU at their start, whatever the model needs.
SHARING = frozenset({"vllm", "sglang"})
# What a model takes at least beside its weights: cache and buffers.
BESIDE = 1.2


@dataclass(frozen=True, slots=True)
class Need:
    """`bytes` None: nothing is known. `source` as `wire.LaunchPlan` names it."""

    bytes: int | None = None
    source: str = ""


@dataclass(frozen=True, slots=True)
class Space:
    """What is free for a recipe, and where."""

    bytes: int | None
    place: str


def chosen(recipe: Recipe, gpus: Sequence[wire.Gpu]) -> list[wire.Gpu]:
    """The GPUs that the recipe would run on: those it names, else as many as it is spread over."""
    alive = [one for one in gpus if not one.lost]
    if recipe.gpus is not None:
        return [one for one in alive if {str(one.index), one.uuid} & set(recipe.gpus)]
    return alive[:recipe.tensor_parallel_size * recipe.pipeline_parallel_size] if recipe.backend in SHARING else alive


def need(recipe: Recipe, gpus: Sequence[wire.Gpu], learned: int | None, weights: int | None) -> Need:
    """What was measured tells most; then the share that the engine takes anyway; then the weights."""
    if learned is not None:
        return Need(learned, "measured")
    if gpus and recipe.backend in SHARING:
        return Need(int(sum(one.memory_total or 0 for one in gpus) * recipe.gpu_memory_utilization) or None, "share")
    return Need(weights, "files" if weights is not None else "")


def space(gpus: Sequence[wire.Gpu], host: wire.Host, leaving: Iterable[str], held_by_leaving: int) -> Space:
    """Free now, and what those instances give back: on these GPUs, or on a machine without any `held_by_leaving` of its memory."""
    if gpus:
        free = [one.memory_free for one in gpus]
        names = set(leaving)
        back = sum(each.memory_bytes or 0 for one in gpus for each in one.processes if each.instance_id in names)
        return Space(None if None in free else sum(one or 0 for one in free) + back, GPU)
    available = host.memory_available
    return Space(None if available is None else available + held_by_leaving, HOST)


def fits(needed: Need, found: Space) -> bool | None:
    """None where it is not known. Weights that do not fit prove that it does not; that it does only with some room beside them."""
    if needed.bytes is None or found.bytes is None:
        return None
    if needed.source != "files" or needed.bytes > found.bytes:
        return needed.bytes <= found.bytes
    return True if needed.bytes * BESIDE <= found.bytes else None
