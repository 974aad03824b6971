"""How far the expected length of a start is from the real one: real starts, each foretold from those before it.

llama.cpp starts always; vLLM where STUDIO_TEST_VLLM names an environment (`tests/engines/vllm_environment.py` builds one), some
minutes.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from studio_core.bench.figure import Row
from studio_core.bench.premises import Premises, premises
from studio_core.cli.demo import demo_recipe
from studio_core.engines.forecast import Start, alike, outlook
from studio_core.models.fetch import DEMO, fetch
from studio_core.paths import cache_dir

# So many starts teach before the first is foretold.
TAUGHT, STARTS, LONG_STARTS = 3, 12, 7
AIM_PERCENT = 20.0
VLLM, MODELS = "STUDIO_TEST_VLLM", "STUDIO_TEST_MODELS"
VLLM_ENVIRONMENT = {"VLLM_CPU_KVCACHE_SPACE": "1", "HF_HUB_OFFLINE": "1"}
MOMENTS = {"before the start": 0.0, "half way": 0.5}


def measure() -> list[Row]:
    """Median of |expected - real| / real in percent, of the whole length, before the start and half way through it.

    A last row says how far off the best single length is, chosen afterwards: what the machine's own noise leaves to no forecast.
    """
    rows: list[Row] = []
    with premises() as home:
        for name, recipe, count in recipes():
            home.client.put_recipe(recipe)
            for _ in range(count):
                home.stop(home.launch(recipe["id"]))
            rows += list(shown(name, remembered(home, recipe["id"])))
    return rows


def recipes() -> Iterator[tuple[str, Mapping[str, Any], int]]:
    """What is started how often. Two threads that wait for each other take very different times beside other work."""
    models = Path(os.environ.get(MODELS) or cache_dir() / "models")
    path = fetch(DEMO, models, lambda *_: None)
    for threads in (1, 2):
        recipe = {**demo_recipe(str(path)).stored(), "id": f"threads-{threads}", "extra_args": {"threads": threads}}
        yield f"llama.cpp, threads {threads}", recipe, STARTS
    if place := os.environ.get(VLLM):
        yield "vLLM", {
            "id": "vllm", "backend": "vllm", "model_path": str(models / "SmolLM2-135M-Instruct-hf"), "max_model_len": 512,
            "python_path": str(Path(place).expanduser() / "bin" / "python"), "extra_args": {"enforce_eager": True},
            "env_vars": VLLM_ENVIRONMENT,
        }, LONG_STARTS


def shown(name: str, starts: Sequence[Start]) -> Iterator[Row]:
    """The rows of one engine's starts."""
    lengths = [one.total_s for one in starts]
    note = f"{len(starts) - TAUGHT} starts, {min(lengths):.2f} to {max(lengths):.2f} s"
    for moment, share in MOMENTS.items():
        yield Row(f"eta: {name}, {moment}", 100 * median(errors(starts, share)), "% off", AIM_PERCENT, note)
    foretold = lengths[TAUGHT:]
    best = min(median(abs(one - real) / real for real in foretold) for one in foretold)
    yield Row(f"eta: {name}, best single length", 100 * best, "% off", None, "chosen afterwards: the machine's own noise")


def remembered(home: Premises, recipe_id: str) -> list[Start]:
    """The recipe's starts as the database has them, the oldest first."""
    path = Path(home.settings.database)
    query = (
        "SELECT start_s, start_marks, shape, version, cache FROM launches WHERE start_s IS NOT NULL AND recipe = ? "
        "ORDER BY created_at"
    )
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
        return [Start(total, json.loads(marks), *rest) for total, marks, *rest in connection.execute(query, (recipe_id,))]


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
