"""The expected length of a start: bounds for any history, and how good it is for noisy starts that are alike (simulated)."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio_core import wire
from studio_core.bench.eta import errors
from studio_core.cli.table import progress as told
from studio_core.engines import forecast
from studio_core.engines.forecast import Start, alike, by_table, outlook
from studio_core.models import cached
from studio_core.recipes.recipe import parse
from studio_core.supervisor.pace import Pace

SECONDS = st.floats(0.0, 1e6, allow_nan=False)
MARKS = st.dictionaries(st.sampled_from("abcdef"), st.floats(0.0, 1.0), max_size=6)


@st.composite
def starts(draw: st.DrawFn) -> Start:
    total = draw(st.floats(0.001, 1e5))
    return Start(total, {name: share * total for name, share in draw(MARKS).items()})


@given(
    st.lists(starts(), max_size=6), st.dictionaries(st.sampled_from("abcdefg"), SECONDS, max_size=6), st.lists(SECONDS, min_size=2)
)
def test_it_is_finite_and_what_is_left_never_grows_while_nothing_comes(
    earlier: list[Start], marks: Mapping[str, float], times: list[float]
) -> None:
    since = max(marks.values(), default=0.0)
    found = [outlook(earlier, marks, since + now) for now in sorted(times)]
    assert all((one is None) == (not earlier) for one in found)
    kept = [one for one in found if one is not None]
    for now, one in zip(sorted(times), kept, strict=False):
        assert 0.0 <= one.left_s < 1e15 and 0.0 <= one.total_s < 1e15
        assert one.total_s >= (since + now + one.left_s) * 0.999
    assert all(later.left_s <= earlier_one.left_s * 1.001 + 1e-6 for earlier_one, later in pairwise(kept))


def test_the_same_start_again_is_foretold_exactly() -> None:
    known = Start(100.0, {"load": 20.0, "graphs": 80.0, "ready": 100.0})
    assert outlook([known], {}, 5.0) == forecast.Outlook(100.0, 95.0)
    assert outlook([known], {"load": 20.0}, 30.0) == forecast.Outlook(100.0, 70.0)
    assert outlook([known], {"load": 20.0, "graphs": 80.0}, 90.0) == forecast.Outlook(100.0, 10.0)


def test_newer_starts_count_more_and_one_outlier_does_not() -> None:
    assert forecast.usual([10.0]) == 10.0
    assert forecast.usual([10.0, 20.0]) == 10.0, "the newer of two"
    assert forecast.usual([40.0, 10.0, 11.0]) == 11.0, "one that is slow, even the newest, is not yet the rule"
    assert forecast.usual([30.0, 30.0, 30.0, *[10.0] * 7]) == 30.0, "three are, after any number of others"
    assert forecast.usual([5.0] * 10) == 5.0


def test_it_follows_a_machine_that_has_become_busy() -> None:
    """Simulated: starts that vary by a tenth, and from the eleventh on take three times as long."""
    dice = random.Random(1)
    history = [Start(seconds * dice.lognormvariate(0, 0.1), {}, "s", "1", cached.WARM) for seconds in [10.0] * 10 + [30.0] * 10]
    assert median(errors(history[10:], 0.0)) <= 0.2 and median(errors(history, 0.0)[10:]) <= 0.2


def test_a_slow_start_is_seen_as_slow_the_further_it_is() -> None:
    known = Start(100.0, {"load": 20.0, "graphs": 80.0})
    at_load, at_graphs = outlook([known], {"load": 40.0}, 40.0), outlook([known], {"load": 40.0, "graphs": 160.0}, 160.0)
    assert at_load is not None and at_graphs is not None
    assert 120 < at_load.total_s < 200 and 190 < at_graphs.total_s <= 200


def test_what_is_overdue_still_has_before_it_what_follows() -> None:
    known = Start(100.0, {"load": 20.0, "graphs": 80.0})
    late = outlook([known], {"load": 20.0}, 500.0)
    assert late is not None
    assert (late.left_s, late.total_s) == (20.0, 520.0)


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 0.75])
def test_after_three_starts_the_length_is_within_a_fifth_in_the_median(share: float) -> None:
    """Simulated: each start is slower or faster as a whole by about 15 %, and each of its stages by about 15 % more."""
    stages = {"init": 6.0, "shards": 3.0, "weights": 25.0, "compile": 40.0, "kv": 4.0, "graphs": 12.0, "ready": 3.0}
    missed = []
    for seed in range(200):
        dice = random.Random(seed)
        history = []
        for _ in range(4):
            pace, at, marks = dice.lognormvariate(0, 0.15), 0.0, {}
            for name, seconds in stages.items():
                at += seconds * pace * dice.lognormvariate(0, 0.15)
                marks[name] = at
            history.append(Start(at, marks, "s", "1", cached.WARM))
        missed += errors(history, share)
    assert len(missed) == 200
    assert median(missed) <= 0.20
    assert share < 0.7 or median(missed) <= 0.10, "it learns from the start itself"


def test_only_starts_that_are_alike_count_as_far_as_there_are_any() -> None:
    one = Start(10.0, {}, "small", "1.0", cached.WARM)
    cold, new, other = replace(one, cache=cached.COLD), replace(one, version="2.0"), replace(one, shape="large")
    assert alike([one, cold, new, other], "small", cached.WARM, "1.0") == [one]
    assert alike([one, cold, other], "small", cached.WARM, "2.0") == [one], "no start of that version: those of others"
    assert alike([one, cold, other], "small", cached.WARM, "") == [one], "the engine has not told its version yet"
    assert alike([other], "small", cached.COLD, "1.0") == [other]
    assert alike([], "small", "", "") == []
    assert len(alike([one] * 30, "small", cached.WARM, "1.0")) == forecast.NEWEST


def test_words_do_not_change_the_shape_of_a_recipe_and_everything_else_does() -> None:
    stored = parse({"id": "one", "model_path": "/m", "max_model_len": 4096}).stored()
    words = {"name": "x", "notes": "y", "port": 1, "filters": {"strip": ["seed"]}}
    assert forecast.shape({**stored, **words}) == forecast.shape(stored)
    for field, value in {"model_path": "/n", "max_model_len": 1, "extra_args": {"a": 1}, "backend": "sglang"}.items():
        assert forecast.shape({**stored, field: value}) != forecast.shape(stored), field
    assert set(parse({"id": "one", "model_path": "/m"}).stored()) >= forecast._WORDS


def test_without_earlier_starts_the_table_s_percents_speak() -> None:
    assert by_table(wire.Progress(percent=50.0), 10.0, 12.0) == forecast.Outlook(20.0, 8.0)
    assert by_table(wire.Progress(percent=5.0), 10.0, 12.0) is None, "too early to say"
    assert by_table(wire.Progress(), 10.0, 12.0) is None
    assert by_table(wire.Progress(percent=50.0), 10.0, 30.0) is None, "overdue: nothing is known"


@pytest.mark.parametrize(("progress", "words"), [
    (wire.Progress(stage="loading", percent=41.2), "41 % loading"),
    (wire.Progress(stage="loading", percent=41.2, eta_s=75.0), "41 % loading, about 1 min left"),
    (wire.Progress(), "no progress yet"),
])
def test_what_is_left_is_told_on_the_command_line(progress: wire.Progress, words: str) -> None:
    assert told(progress) == words


def test_a_start_remembers_its_marks_once() -> None:
    pace = Pace("s")
    progress = wire.Progress(stage="loading", percent=50.0)
    assert pace.outlook(progress) is progress, "found half way: nothing is known of its time"
    pace.begin()
    pace.note(["a"], "")
    first = dict(pace.marks)
    pace.note(["a", "b"], "1.0")
    assert list(pace.marks) == ["a", "b"] and pace.marks["a"] == first["a"] <= pace.marks["b"]
    pace.expect([Start(1000.0, {"a": 1.0, "b": 2.0}, "s")])
    seen = pace.outlook(progress)
    assert seen.percent == 50.0 and seen.eta_s is not None and seen.total_s is not None
    assert pace.start() is None
    pace.ready()
    took = pace.took_s
    pace.ready()
    assert took is not None and pace.start() == Start(took, pace.marks, "s", "1.0", "")
    assert pace.outlook(progress) is progress


def test_the_page_cache_is_told_of_a_file_and_a_folder(tmp_path: Path) -> None:
    file = tmp_path / "model.gguf"
    file.write_bytes(b"x" * 3_000_000)
    assert cached.state(str(file)) == cached.WARM, "just written: its pages are there"
    (tmp_path / "config.json").write_text("{}")
    assert cached.state(str(tmp_path)) == cached.WARM
    (tmp_path / "other.gguf").touch()
    assert cached.state(str(tmp_path / "other.gguf")) == cached.UNKNOWN
    assert cached.state("owner/model") == cached.UNKNOWN


def test_a_file_whose_pages_are_not_there_is_cold(tmp_path: Path) -> None:
    """A hole that nobody has read has no pages."""
    file = tmp_path / "model.safetensors"
    with file.open("wb") as stream:
        stream.truncate(64 * 1024 * 1024)
    assert cached.state(str(tmp_path)) == cached.COLD
    file.write_bytes(b"x" * 64 * 1024 * 1024)
    assert cached.state(str(tmp_path)) == cached.WARM
