"""When garbage is looked for."""

from __future__ import annotations

import gc
import subprocess
import sys

import pytest

from studio_tui import sweep

CODE = """
import gc
from studio_tui import sweep
gc.disable()
class Ring:
    def __init__(self): self.me = self
sweep.begin()
before = gc.get_stats()[2]["collections"]
kept = [Ring() for _ in range(100_000)]
print(gc.isenabled(), gc.get_freeze_count() > 0, gc.get_stats()[2]["collections"] - before, gc.get_count()[2] >= sweep.DUE,
      sweep.sweep(0.5), sweep.sweep(sweep.CALM_S), sweep.sweep(sweep.CALM_S))
"""


@pytest.mark.parametrize(("lots", "calm_s", "now"), [
    (0, 60.0, False), (sweep.DUE, 60.0, True), (sweep.DUE, 0.1, False), (sweep.OVERDUE, 0.1, True),
])
def test_a_walk_waits_for_a_calm_moment_but_not_for_ever(lots: int, calm_s: float, now: bool) -> None:
    assert sweep.due(lots, calm_s) is now


def test_python_makes_no_walk_of_its_own_and_a_calm_moment_makes_one() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["True", "True", "0", "True", "False", "True", "False"]


def test_where_garbage_is_looked_for_already_nothing_changes() -> None:
    before = gc.get_threshold(), gc.get_freeze_count()
    sweep.begin()
    assert (gc.get_threshold(), gc.get_freeze_count()) == before


def test_the_allocator_is_asked_and_nothing_is_lost_where_it_has_no_such_switch() -> None:
    sweep.frugal()
    sweep._allocator("no_such_function", 1)
