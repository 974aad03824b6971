"""Who must leave, who is joined, who is refused: pure decisions over what is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from studio_core.supervisor import launch


@dataclass(frozen=True, slots=True)
class Holding:
    """An instance as the planner sees it. `pinned`: nobody's request may send it away."""

    instance_id: str
    recipe_id: str
    claims: bool
    serving: bool
    gpus: frozenset[str] = frozenset()
    pinned: bool = False


@dataclass(frozen=True, slots=True)
class Attempt:
    """A launch that is not over. `pausing`: a restart whose time has not come; `pinned`: its recipe is."""

    launch_id: str
    recipe_id: str
    origin: str
    pausing: bool = False
    pinned: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """What a request for a recipe leads to.

    Exactly one of: `serving` (an instance already does), `joined` (a launch is under way), `refused` (held),
    `pinned` (the instances named would have to leave, and may not), `queued` (another launch runs first), or a new launch that
    supersedes the launches named.
    """

    serving: str | None = None
    joined: str | None = None
    refused: bool = False
    pinned: tuple[str, ...] = ()
    queued: bool = False
    supersedes: tuple[str, ...] = ()


def plan(
    recipe_id: str, origin: str, *, force: bool, exclusive: bool, held: bool,
    holdings: Sequence[Holding], attempts: Sequence[Attempt], gpus: frozenset[str] = frozenset(),
) -> Plan:
    """What becomes of a request. Only a person supersedes; an acquire joins, queues or is refused.

    A restart that pauses gives way to any launch of another recipe, and to a person's of its own; a request joins it, so that
    requests cannot hurry an engine that crashes again and again. Only a person who insists (`force`) sends a pinned one away.
    """
    same = next((attempt for attempt in attempts if attempt.recipe_id == recipe_id), None)
    person = origin == launch.PERSON
    if not person and held:
        return Plan(refused=True)
    if same and not force and not (same.pausing and person):
        return Plan(joined=same.launch_id)
    serving = next((one for one in holdings if one.recipe_id == recipe_id and one.serving), None)
    if serving and not force:
        return Plan(serving=serving.instance_id)
    if pinned := () if person and force else _pinned(recipe_id, leaving(recipe_id, gpus, exclusive, holdings), holdings):
        return Plan(pinned=pinned)
    rivals = tuple(one for one in attempts if exclusive or one.recipe_id == recipe_id)
    if not person and not all(one.pausing and not one.pinned for one in rivals):
        return Plan(queued=True)
    return Plan(supersedes=tuple(one.launch_id for one in rivals))


def _pinned(recipe_id: str, names: Sequence[str], holdings: Sequence[Holding]) -> tuple[str, ...]:
    return tuple(one.instance_id for one in holdings if one.instance_id in names and one.pinned and one.recipe_id != recipe_id)


def leaving(recipe_id: str, gpus: frozenset[str], exclusive: bool, holdings: Sequence[Holding]) -> tuple[str, ...]:
    """The instances that must be gone before this recipe starts: all under `exclusive`, else its own and those on its GPUs."""
    return tuple(
        one.instance_id
        for one in holdings
        if one.claims and (exclusive or one.recipe_id == recipe_id or one.gpus & gpus)
    )
