"""The clock of an instance's use: whatever moved is use, also what came and went between two looks."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from studio_core.supervisor.idle import Clock, Pulse

STILL = Pulse(0, 3, 40.0)


def test_it_counts_from_the_last_look_at_which_anything_moved() -> None:
    clock = Clock(100.0)
    assert clock.beat(101.0, STILL) == 0.0  # the first look: who knows what was before
    assert clock.beat(105.0, STILL) == 4.0
    assert clock.beat(106.0, Pulse(1, 4, 40.0)) == 0.0
    assert clock.beat(107.0, Pulse(1, 4, 40.0)) == 0.0  # still at it
    assert clock.beat(109.0, Pulse(0, 4, 40.0)) == 0.0  # it ended since
    assert clock.beat(110.0, Pulse(0, 5, 40.0)) == 0.0  # came and went
    assert clock.beat(112.0, Pulse(0, 5, 48.0)) == 0.0  # past the gateway
    assert clock.beat(115.0, Pulse(0, 5, 48.0)) == 3.0


@given(st.lists(st.tuples(st.floats(0.01, 9.0), st.booleans()), min_size=1))
def test_it_is_never_longer_than_what_passed_since_the_last_move(steps: list[tuple[float, bool]]) -> None:
    now, moved, entered = 0.0, 0.0, 0
    clock = Clock(now)
    clock.beat(now, Pulse(0, entered, 0.0))
    for passed, moves in steps:
        now += passed
        if moves:
            moved, entered = now, entered + 1
        assert clock.beat(now, Pulse(0, entered, 0.0)) == now - moved
