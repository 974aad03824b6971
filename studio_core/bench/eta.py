"""How far the expected length of a start is from the real one: real starts of llama.cpp, each foretold from those before it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from studio_core.bench.figure import Row
from studio_core.bench.premises import Premises, premises
from studio_core.cli.demo import demo_recipe
from studio_core.engines.forecast import Start, alike, outlook
from studio_core.models.fetch import DEMO, fetch
from studio_core.paths import cache_dir

# So many starts teach before the first is foretold.
TAUGHT, STARTS = 3, 12
AIM_PERCENT = 20.0


def measure() -> list[Row]:
    """Median of |expected - real| / real in percent, of the whole length, before the start and half way through it."""
    with premises() as home:
        path = fetch(DEMO, cache_dir() / "models", lambda *_: None)
        # Two threads that wait for each other take very different times beside other work.
        recipe = {**demo_recipe(str(path)).stored(), "extra_args": {"threads": 1}}
        home.client.put_recipe(recipe)
        for _ in range(STARTS):
            home.stop(home.launch(recipe["id"]))
        starts = remembered(home)
    lengths = [one.total_s for one in starts]
    note = f"{STARTS - TAUGHT} starts of llama.cpp, {min(lengths):.2f} to {max(lengths):.2f} s"
    before, midway = errors(starts, 0.0), errors(starts, 0.5)
    return [
        Row("eta: expected length, before the start", 100 * median(before), "% off", AIM_PERCENT, note),
        Row("eta: expected length, half way", 100 * median(midway), "% off", AIM_PERCENT, note),
    ]


def remembered(home: Premises) -> list[Start]:
    """The starts as the database has them, the oldest first."""
    path = Path(home.settings.database)
    query = "SELECT start_s, start_marks, shape, version, cache FROM launches WHERE start_s IS NOT NULL ORDER BY created_at"
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
        return [Start(total, json.loads(marks), *rest) for total, marks, *rest in connection.execute(query)]


def errors(starts: Sequence[Start], share: float) -> list[float]:
    """For each start after the first few, how far off its length was when that share of it was over, as a share of it."""
    found = []
    for number in range(TAUGHT, len(starts)):
        real, now_s = starts[number], starts[number].total_s * share
        earlier = alike(starts[:number][::-1], real.shape, real.cache, real.version)
        expected = outlook(earlier, {name: at for name, at in real.marks.items() if at <= now_s}, now_s)
        if expected is not None:
            found.append(abs(expected.total_s - real.total_s) / real.total_s)
    return found
