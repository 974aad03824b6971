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


def resume(keeper: Keeper) -> Attempt | None:
    """Its launch as it stood; None when it was to end. Whose it was an earlier version did not write down: then a person's."""
    if keeper.record is not None and keeper.record.asked:
        return None
    spec = keeper.spec
    try:
        recipe = parse(spec.recipe)
    except StudioError:
        return None
    attempt = Attempt(spec.launch_id, recipe, spec.origin or launch.PERSON, False, spec.created_at, instance_id=keeper.id)
    attempt.begun_ago((datetime.now(UTC) - datetime.fromisoformat(spec.created_at)).total_seconds())
    attempt.move(launch.STARTING)
    return attempt


async def keep_origin(attempt: Attempt, keeper: Keeper, places: Places) -> None:
    """Write down whose it is now, as soon as there is something to write to: a later controller must know."""
    if keeper.spec.origin != attempt.origin:
        await keeper.followed.wait()
        with contextlib.suppress(OSError, ValueError):
            specs.amend(places.instance(keeper.id), origin=attempt.origin)
