"""When a load is given up for want of anybody who waits for it: the decision, with a clock that goes on at each look."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass, field

import pytest

from studio_core.recipes import recipe
from studio_core.supervisor import abandon, launch
from studio_core.supervisor.attempt import Attempt, Attempts
from studio_core.supervisor.departure import Traffic
from tests.wait import eventually

PATIENCE_S = 0.05
LOOK_S = PATIENCE_S / 5


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine makes no look late."""
    ticks = itertools.count()
    monkeypatch.setattr(abandon, "now", lambda: next(ticks) * LOOK_S)


@dataclass
class Door:
    """Says what the test says, and counts how often it was asked."""

    seen: Traffic
    asked: int = 0

    async def drained(self, instance_id: str, timeout: float) -> bool:
        return True

    def traffic(self, instance_id: str, recipe_id: str) -> Traffic:
        self.asked += 1
        return self.seen


@dataclass
class Load:
    """A launch under way, watched."""

    origin: str
    door: Door
    state: str = launch.STARTING
    cancelled: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.attempts = Attempts()
        self.attempt = Attempt.new(recipe.parse({"id": "a", "model_path": "/m"}), self.origin, False)
        self.attempt.state = self.state
        self.attempts.remember(self.attempt)
        self.task = asyncio.create_task(abandon.watch(self.attempt, self.door, PATIENCE_S, self._cancel))

    async def _cancel(self, attempt: Attempt) -> None:
        self.cancelled.append(attempt.id)
        attempt.move(launch.CANCELLED)

    async def looks(self, count: int = 12) -> None:
        """As many more looks: together far longer than its patience."""
        until = self.door.asked + count
        await eventually(lambda: self.door.asked >= until or self.task.done())


async def test_nobody_waits() -> None:
    load = Load(launch.ACQUIRE, Door(Traffic()))
    await load.task
    assert load.cancelled == [load.attempt.id]
    assert "nobody waits" in load.attempt.message


@pytest.mark.parametrize("seen", [Traffic(waiting=1), Traffic(known=False)])
async def test_somebody_waits_or_may_wait(seen: Traffic) -> None:
    load = Load(launch.ACQUIRE, Door(seen))
    await load.looks()
    assert not load.cancelled and not load.task.done()
    load.door.seen = Traffic()
    await load.task
    assert load.cancelled


@pytest.mark.parametrize(("state", "looks"), [(launch.PLANNED, 1), (launch.WAITING, 1), (launch.STARTING, 4)])
async def test_only_a_load_that_has_begun_is_worth_patience(state: str, looks: int) -> None:
    load = Load(launch.ACQUIRE, Door(Traffic()), state)
    await load.task
    assert load.cancelled and (load.door.asked == 1) == (looks == 1) and load.door.asked >= looks


@pytest.mark.parametrize("origin", [launch.PERSON, launch.RESTART])
async def test_what_no_request_began_is_not_watched(origin: str) -> None:
    load = Load(origin, Door(Traffic()))
    await load.task
    assert not load.cancelled and load.door.asked == 0


async def test_a_person_joins() -> None:
    load = Load(launch.ACQUIRE, Door(Traffic(waiting=1)))
    await load.looks(2)
    assert load.attempts.join(load.attempt.id, launch.ACQUIRE).origin == launch.ACQUIRE
    assert load.attempts.join(load.attempt.id, launch.PERSON).origin == launch.PERSON
    load.door.seen = Traffic()
    await load.task
    assert not load.cancelled


@pytest.mark.parametrize("state", sorted(launch.OVER))
async def test_it_is_over(state: str) -> None:
    load = Load(launch.ACQUIRE, Door(Traffic(waiting=1)))
    await load.looks(2)
    load.attempt.state = state
    await load.task
    assert not load.cancelled
