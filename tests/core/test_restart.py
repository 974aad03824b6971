"""Whether and when a crashed engine is started again, as a table and as properties."""

from __future__ import annotations

import signal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio_core.supervisor.restart import ALWAYS, LONGEST, NEVER, ON_FAILURE, Ending, Policy, Turn, decide

CRASH, ORDERLY = Ending(0, 60.0, code=1), Ending(0, 60.0, code=0)


@pytest.mark.parametrize(("mode", "ending", "again"), [
    (NEVER, CRASH, False),
    (ON_FAILURE, CRASH, True),
    (ON_FAILURE, ORDERLY, False),
    (ON_FAILURE, Ending(0, 60.0, signal=signal.SIGTERM), False),
    (ON_FAILURE, Ending(0, 60.0, signal=signal.SIGSEGV), True),
    (ON_FAILURE, Ending(0, 60.0), True),  # the shim died with it: unknown is no clean end
    (ALWAYS, CRASH, True),
    (ALWAYS, ORDERLY, True),
    (ALWAYS, Ending(0, None, code=1), False),  # the first start failed: whoever asked reads why
    (ON_FAILURE, Ending(1, None, code=1), True),  # a restart failed: one more try
])
def test_who_is_started_again(mode: str, ending: Ending, again: bool) -> None:
    assert decide(Policy(mode, 3), ending) == (Turn(ending.restarts + 1, 3, 1.0 * 2**ending.restarts) if again else None)


def chain(policy: Policy, served: float | None) -> list[Turn]:
    """All turns of an engine that crashes again and again."""
    turns: list[Turn] = []
    while (turn := decide(policy, Ending(len(turns), served if turns else 1.0, code=1))) is not None:
        turns.append(turn)
    return turns


def test_the_pauses_double_to_a_minute_and_end_at_the_limit() -> None:
    turns = chain(Policy(ALWAYS, 9), None)
    assert [turn.pause_s for turn in turns] == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert [turn.number for turn in turns] == [*range(1, 10)]


def test_service_resets_the_count() -> None:
    policy = Policy(ON_FAILURE, 3, reset_s=600.0)
    assert decide(policy, Ending(3, 599.0, code=1)) is None
    assert decide(policy, Ending(3, 600.0, code=1)) == Turn(1, 3, 1.0)


@given(st.builds(Policy, st.just(ALWAYS), st.integers(0, 400), st.floats(0.001, 10.0)), st.none() | st.floats(0.0, 599.0))
def test_never_more_often_than_the_limit_and_never_sooner_than_before(policy: Policy, served: float | None) -> None:
    pauses = [turn.pause_s for turn in chain(policy, served)]
    assert len(pauses) == policy.limit
    assert pauses == sorted(pauses)
    assert all(policy.pause_s <= pause <= LONGEST * policy.pause_s for pause in pauses)
