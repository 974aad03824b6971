"""The keepers as the planner sees them."""

from __future__ import annotations

from collections.abc import Iterable

from studio_core.supervisor import instance, planner
from studio_core.supervisor.keeper import Keeper


def holdings(keepers: Iterable[Keeper]) -> list[planner.Holding]:
    return [
        planner.Holding(
            keeper.id, keeper.spec.recipe_id, keeper.life.claims, keeper.life.state == instance.READY,
            frozenset(keeper.spec.recipe.get("gpus") or ()), bool(keeper.spec.recipe.get("pin")) and keeper.life.alive,
        )
        for keeper in keepers
    ]
