"""What happened while nobody looked: loads that ended, models that failed. Pure: from two statuses, before and now."""

from __future__ import annotations

import time
from collections.abc import Iterator

from msgspec import Struct, field

from studio_core import wire
from studio_core.text import line
from studio_tui import status, unit
from studio_tui.view import OVER


class Notice(Struct, frozen=True):
    """`alarm`: it is worth a bell where nobody looks. `at` is Unix time in seconds."""

    text: str
    tone: str
    alarm: bool = False
    at: float = field(default_factory=time.time)


# What a tone is without colours.
SIGNS = {status.GOOD: "\u25cf", status.BAD: "\u2716", status.BUSY: "\u25d0"}


def signed(text: str, tone: str) -> str:
    """A text for a toast, whose tone is else its colour alone."""
    return f"{SIGNS[tone]} {text}" if tone in SIGNS else text


def endings(old: wire.Status | None, new: wire.Status, names: dict[str, str]) -> Iterator[Notice]:
    """One for each launch that is over since, and for each model that has failed at work."""
    if old is None:
        return
    going = {one.id for one in old.launches if one.state not in OVER}
    told, shown = set(), {one.id: one.name for one in new.instances}
    for launch in new.launches:
        if launch.id in going and launch.state in OVER:
            told.add(launch.instance_id)
            # A status may be there before the recipes are.
            yield _ending(launch, names.get(launch.recipe_id) or shown.get(launch.instance_id or "") or launch.recipe_id)
    working = {one.id for one in old.instances if one.state in ("ready", "sleeping")}
    for one in new.instances:
        if one.id in working and one.state in ("failed", "stuck") and one.id not in told:
            why = f": {one.failure.title}" if one.failure else ""
            yield Notice(line(f"{one.name} {one.state}{why}"), status.BAD, alarm=True)


def _ending(launch: wire.Launch, name: str) -> Notice:
    if launch.state == "ready":
        return Notice(line(f"{name} is ready after {unit.age(launch.age_s)}"), status.GOOD, alarm=True)
    if launch.state == "failed":
        why = f": {launch.failure.title}" if launch.failure else ""
        return Notice(line(f"{name} failed{why}"), status.BAD, alarm=True)
    return Notice(line(f"the launch of {name} was {launch.state}"), status.QUIET)
