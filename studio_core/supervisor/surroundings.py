"""What all keepers of a controller share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from studio_core.engines.forecast import Start
from studio_core.paths import Places
from studio_core.settings import Settings


async def unknown(_: str) -> Sequence[Start]:
    """No earlier starts."""
    return ()


@dataclass(frozen=True, slots=True)
class Surroundings:
    """`memory_held(pids)` tells whether a GPU still counts memory for one of the pids.

    `starts(recipe_id)` gives the earlier starts of a recipe, the newest first.
    """

    places: Places
    settings: Settings
    changed: Callable[[], None]
    memory_held: Callable[[frozenset[int]], bool]
    starts: Callable[[str], Awaitable[Sequence[Start]]] = unknown
