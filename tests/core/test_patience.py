"""How long a start is waited for: its output, its memory and its reading are progress, and there is an end to all of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from studio_core.settings import load
from studio_core.supervisor import memory
from studio_core.supervisor.patience import GROWTH_BYTES, Patience


@dataclass
class Clock:
    """Tells the seconds since the start that it was set to."""

    now: float = 0.0

    def at(self, seconds: float) -> None:
        self.now = seconds

    def waiting(self, **recipe: Any) -> Patience:
        return Patience(recipe, load({"no_progress_s": 10.0, "start_ceiling_s": 100.0}, {}), lambda: self.now)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_silence_ends_it_and_every_mark_begins_anew(clock: Clock) -> None:
    waited = clock.waiting()
    clock.at(9)
    waited.moved()
    clock.at(18)
    assert waited.over() is None
    clock.at(20)
    assert waited.over() == "no progress for 10 s"


def test_progress_for_ever_ends_too(clock: Clock) -> None:
    waited = clock.waiting()
    for second in range(5, 100, 5):
        clock.at(second)
        waited.moved()
        assert waited.over() is None
    clock.at(101)
    waited.moved()
    assert waited.over() == "not ready after 100 s in all"


def test_the_recipe_s_own_bounds_count(clock: Clock) -> None:
    patient, hasty = clock.waiting(no_progress_s=50.0), clock.waiting(start_ceiling_s=3.0)
    clock.at(20)
    assert patient.over() is None and hasty.over() == "not ready after 3 s in all"


def test_memory_that_grows_is_progress_and_a_little_is_none(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited, held = clock.waiting(), [GROWTH_BYTES]
    monkeypatch.setattr(memory, "usage", lambda _: memory.Usage(resident=held[0]))
    clock.at(9)
    waited.notice([(1, 1)])
    clock.at(18)
    assert waited.over() is None
    held[0] += GROWTH_BYTES // 2
    waited.notice([(1, 1)])
    clock.at(20)
    assert waited.over() == "no progress for 10 s"
