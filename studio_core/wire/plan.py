"""What a launch would do, before it is asked for."""

from __future__ import annotations

from studio_core.wire.model import Model


class Leaving(Model):
    """An instance that has to go for a launch, and why. `running` requests are let end; `pinned`: only insisting sends it away."""

    instance_id: str
    recipe_id: str
    name: str
    state: str
    why: str
    running: int = 0
    pinned: bool = False


class LaunchPlan(Model):
    """GET /recipes/{id}/plan: what a person's launch would lead to now. Nothing is done by asking.

    `outcome`: starts, wakes (its instance sleeps), serves (it runs already), joins (its launch is under way), pinned (who would
    have to leave is pinned: only `force` does it), broken (the recipe cannot be read). `supersedes` are recipes whose launches
    it ends.
    Requests in flight get `drain_s` seconds. `expected_s` is the start itself, from earlier ones; None without any.
    `needs_bytes` comes from `source`: measured, share (the GPU memory that the engine takes in any case), files (the weights:
    at least that) or nothing. `free_bytes` is what will be free on `place` (gpu, host) when who leaves has left.
    """

    recipe_id: str
    outcome: str
    leaving: list[Leaving] = []
    supersedes: list[str] = []
    drain_s: float = 0.0
    expected_s: float | None = None
    needs_bytes: int | None = None
    source: str = ""
    free_bytes: int | None = None
    place: str = ""
    fits: bool | None = None
