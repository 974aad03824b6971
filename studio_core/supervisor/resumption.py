"""A load that an earlier controller began, and that still comes, is a launch again: joined, cancelled, watched as any other."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime

from studio_core.errors import StudioError
from studio_core.paths import Places
from studio_core.recipes.recipe import parse
from studio_core.supervisor import launch
from studio_core.supervisor import spec as specs
from studio_core.supervisor.attempt import Attempt
from studio_core.supervisor.keeper import Keeper
from studio_core.supervisor.restart import Turn
from studio_core.supervisor.spec import Spec


def resume(keeper: Keeper) -> Attempt | None:
    """Its launch as it stood; None when it was to end."""
    if keeper.record is not None and keeper.record.asked:
        return None
    attempt = attempt_of(keeper.spec)
    if attempt is not None:
        attempt.instance_id = keeper.id
        attempt.move(launch.STARTING)
    return attempt


def attempt_of(spec: Spec) -> Attempt | None:
    """The launch that a spec was made for, as it stood before; None when its recipe makes no sense to this version.

    Whose it was an earlier version did not write down: then a person's.
    """
    try:
        recipe = parse(spec.recipe)
    except StudioError:
        return None
    attempt = Attempt(spec.launch_id, recipe, spec.origin or launch.PERSON, False, spec.created_at)
    attempt.begun_ago((datetime.now(UTC) - datetime.fromisoformat(spec.created_at)).total_seconds())
    attempt.turn = Turn(spec.restarts, recipe.restart_limit, 0.0) if spec.restarts else None
    return attempt


async def keep_origin(attempt: Attempt, keeper: Keeper, places: Places) -> None:
    """Write down whose it is now, as soon as there is something to write to: a later controller must know."""
    if keeper.spec.origin != attempt.origin:
        await keeper.followed.wait()
        with contextlib.suppress(OSError, ValueError):
            specs.amend(places.instance(keeper.id), origin=attempt.origin)
