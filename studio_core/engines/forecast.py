"""How long a start will take, learned from earlier ones: pure, without a clock.

A start is remembered as the seconds at which each mark of its output was reached (`MilestoneReader.passed`) and the
seconds to ready. Early in a start the rest is taken as it was before; the further it is, the more the pace of this very
start counts: a machine that is slow today is slow in all stages. What was lately counts most: machines get busy and idle
for days, so of earlier starts the median is taken in which newer ones weigh more.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

from studio_core.wire import Progress

# Starts that count; older ones were of another disk, driver or habit.
NEWEST = 10
# A start counts half as much as one that is so many starts newer.
HALVED_AFTER = 3.0
# The table's percents are rough, and at their beginning a small error is a great one.
LEAST_PERCENT = 10.0
# A start may be this many times slower or faster than those before it; more is something else, not its pace.
PACE_LIMIT = 5.0
# What a recipe is called does not change how long it loads.
_WORDS = frozenset({
    "id", "name", "description", "notes", "tags", "aliases", "served_model_name", "port", "host", "pin", "idle_ttl_s",
    "sleep_level", "restart", "restart_limit", "grace_s", "no_progress_s", "start_ceiling_s", "stop_command", "max_thinking_tokens",
    "thinking_mode", "reasoning_effort", "filters",
})


@dataclass(frozen=True, slots=True)
class Start:
    """An earlier start: seconds to ready, and at each mark. `shape` is of its recipe, `cache` warm, cold or unknown ("")."""

    total_s: float
    marks: Mapping[str, float] = field(default_factory=dict)
    shape: str = ""
    version: str = ""
    cache: str = ""


@dataclass(frozen=True, slots=True)
class Outlook:
    """Seconds of the whole start, and seconds left of it now."""

    total_s: float
    left_s: float


def shape(recipe: Mapping[str, Any]) -> str:
    """A short name of all fields of a recipe that can change how long its start takes."""
    kept = {name: value for name, value in recipe.items() if name not in _WORDS}
    return hashlib.sha256(json.dumps(kept, sort_keys=True, default=str).encode()).hexdigest()[:16]


def alike(starts: Sequence[Start], shape: str, cache: str, version: str) -> list[Start]:
    """Of the starts, newest first, those like this one: of its shape, cache state and engine version, as far as there are any."""
    found = list(starts)
    for name, wanted in (("shape", shape), ("cache", cache), ("version", version)):
        same = [one for one in found if getattr(one, name) == wanted]
        found = same if same and wanted else found
    return found[:NEWEST]


def outlook(starts: Sequence[Start], marks: Mapping[str, float], now_s: float) -> Outlook | None:
    """From earlier starts, the newest first, this start's marks, and the seconds since it began. None without earlier starts.

    What is left never grows while no new mark comes, and never falls below what came after the next mark.
    """
    starts = [one for one in starts if one.total_s > 0]
    if not starts:
        return None
    at = _last(starts, marks)
    done_s = marks[at] if at else 0.0
    mine = [one for one in starts if at in one.marks] if at else starts
    before_s = usual([one.total_s - one.marks.get(at, 0.0) for one in mine])
    pace = _pace(mine, at, done_s)
    left_s = max(done_s + pace * before_s - now_s, pace * _after_next(mine, marks, at), 0.0)
    return Outlook(max(done_s + pace * before_s, now_s + left_s), left_s)


def usual(values: Sequence[float]) -> float:
    """The median of values, the newest first, each weighed by how new it is; between the two where these halve the weights."""
    ranked = sorted((value, 0.5 ** (age / HALVED_AFTER)) for age, value in enumerate(values))
    reached = list(accumulate(weight for _, weight in ranked))
    lower = next(at for at, weight in enumerate(reached) if weight >= reached[-1] / 2)
    upper = lower + 1 if reached[lower] == reached[-1] / 2 and lower + 1 < len(ranked) else lower
    return (ranked[lower][0] + ranked[upper][0]) / 2


def _last(starts: Sequence[Start], marks: Mapping[str, float]) -> str:
    """The latest mark of this start that an earlier one had too; empty when there is none."""
    known = [name for name in marks if any(name in one.marks for one in starts)]
    return max(known, key=lambda name: marks[name], default="")


def _pace(mine: Sequence[Start], at: str, done_s: float) -> float:
    """How many times as long as before the rest will take: this start's own pace, weighted by how far it is."""
    if not at:
        return 1.0
    share = min(usual([one.marks[at] / one.total_s for one in mine]), 1.0)
    before_s = usual([one.marks[at] for one in mine])
    own = min(max(done_s / before_s, 1 / PACE_LIMIT), PACE_LIMIT) if before_s > 0 else 1.0
    return 1.0 - share + share * own


def _after_next(mine: Sequence[Start], marks: Mapping[str, float], at: str) -> float:
    """Seconds that followed the nearest mark that has not come yet."""
    here = usual([one.marks.get(at, 0.0) for one in mine])
    coming = {name for one in mine for name in one.marks if name not in marks}
    rests = [
        usual([one.total_s - one.marks[name] for one in mine if name in one.marks])
        for name in coming if usual([one.marks[name] for one in mine if name in one.marks]) >= here
    ]
    return max(rests, default=0.0)


def by_table(progress: Progress, reached_s: float, now_s: float) -> Outlook | None:
    """From the engine's table alone: `progress` was reached after `reached_s` seconds. None where that says nothing."""
    if progress.percent is None or not LEAST_PERCENT <= progress.percent < 100 or reached_s <= 0:
        return None
    total_s = reached_s * 100.0 / progress.percent
    return Outlook(total_s, total_s - now_s) if total_s > now_s else None
