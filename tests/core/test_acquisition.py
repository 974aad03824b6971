"""The queue of recipes that requests wait for: who is begun, who is forgotten, and that nobody is lost between the two."""

from __future__ import annotations

import asyncio

import pytest

from studio_core import wire
from studio_core.errors import BadRecipe, Conflict, OnHold, StudioError
from studio_core.supervisor.acquisition import Acquisitions
from studio_core.supervisor.bell import Bell
from studio_core.supervisor.departure import Traffic
from studio_core.supervisor.setback import Setbacks
from tests.wait import eventually


class Queue:
    """A house of which the test says who waits, whether a launch is under way, and what a start leads to."""

    def __init__(self) -> None:
        self.seen = Traffic(waiting=1)
        self.busy = True
        self.answer: StudioError | None = None
        self.begun: list[tuple[str, str]] = []
        self.bell = Bell()
        self.setbacks = Setbacks(lambda: None)
        self.acquisitions = Acquisitions(self._begin, lambda: self.busy, self.setbacks, self, self.bell)

    async def _begin(self, recipe: str, origin: str) -> wire.Launch:
        if self.busy:
            raise Conflict("another launch is under way")
        self.begun.append((recipe, origin))
        if self.answer is not None:
            raise self.answer
        return wire.Launch(id="l1", recipe_id=recipe, state="planned", stage="preempting", origin=origin)

    async def drained(self, instance_id: str, timeout: float) -> bool:
        return True

    def traffic(self, instance_id: str, recipe_id: str) -> Traffic:
        return self.seen

    def hear(self, seen: Traffic | None = None, busy: bool = True) -> None:
        self.seen, self.busy = seen or self.seen, busy
        self.bell.ring()


async def queued(queue: Queue) -> asyncio.Task[None]:
    task = asyncio.create_task(queue.acquisitions.ask("a"))
    await asyncio.sleep(0)
    queue.hear()
    await asyncio.sleep(0)
    assert not task.done() and not queue.begun
    return task


async def test_it_is_begun_when_the_other_launch_is_over() -> None:
    queue = Queue()
    task = await queued(queue)
    queue.hear(busy=False)
    await task
    assert queue.begun == [("a", "acquire")]


@pytest.mark.parametrize("busy", [True, False])
async def test_it_is_forgotten_when_all_have_left_even_in_the_step_in_which_its_turn_comes(busy: bool) -> None:
    queue = Queue()
    task = await queued(queue)
    queue.hear(Traffic(), busy)
    await task
    assert not queue.begun
    queue.hear(Traffic(waiting=1), busy=False)
    await queue.acquisitions.ask("a")
    assert queue.begun == [("a", "acquire")], "the next request is not taken for one that is queued"


async def test_while_a_gateway_has_not_told_somebody_may_wait() -> None:
    queue = Queue()
    task = await queued(queue)
    queue.hear(Traffic(known=False))
    await asyncio.sleep(0)
    assert not task.done()
    queue.hear(Traffic())
    await task
    assert not queue.begun


async def test_who_left_and_came_again_before_anybody_looked_keeps_the_place() -> None:
    queue = Queue()
    task = await queued(queue)
    queue.hear(Traffic())
    queue.hear(Traffic(waiting=1))
    await queue.acquisitions.ask("a")
    await asyncio.sleep(0)
    assert not task.done()
    queue.hear(busy=False)
    await task
    assert len(queue.begun) == 1


@pytest.mark.parametrize(("error", "told"), [(OnHold("stopped"), False), (BadRecipe("bad"), True)])
async def test_what_cannot_start_is_not_asked_for_again(error: StudioError, told: bool) -> None:
    queue = Queue()
    queue.busy, queue.answer = False, error
    await queue.acquisitions.ask("a")
    assert len(queue.begun) == 1 and (queue.setbacks.of("a") is not None) == told
    if told:
        await queue.acquisitions.ask("a")
        await eventually(lambda: len(queue.begun) == 1)
