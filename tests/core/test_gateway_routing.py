"""The rules of the route table: who is counted when, who waits, what a drain needs. No processes, one loop."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from studio_core.errors import LaunchFailed, OnHold, StudioError, TooMany, Unavailable, UnknownModel
from studio_core.gateway import routing as module
from studio_core.gateway.routing import Lease, Routing
from studio_core.gateway.table import Acquire, Cause, Drained, Policy, Route, Table, Upstream
from tests.wait import eventually

HERE = Upstream(host="127.0.0.1", port=1)


class Controller:
    """Pushes tables, and keeps what it is told."""

    def __init__(self, state: str = "ready", **policy: Any) -> None:
        self.told: list[Any] = []
        self.counter = 0
        self.policy = Policy(**policy)
        self.routing = Routing(Table(version=("", 0)), self.told.append)
        self.push(state)

    def push(self, state: str, start: str = "s1", names: tuple[str, ...] = ("Tiny", "alias")) -> None:
        self.counter += 1
        route = Route(recipe="tiny", names=list(names), state=state, cause=Cause(title="because", hint="do this"))
        if state in ("ready", "draining", "loading", "sleeping"):
            route.instance, route.upstream = "tiny-1", HERE
        self.routing.take(Table(version=(start, self.counter), routes=[route], policy=self.policy))

    @property
    def acquires(self) -> int:
        return sum(isinstance(line, Acquire) for line in self.told)

    @property
    def acks(self) -> list[int]:
        return [line.version[1] for line in self.told if isinstance(line, Drained)]


async def waiting(controller: Controller, count: int = 1, name: str = "tiny") -> list[tuple[Lease, asyncio.Task[Route]]]:
    """Requests that wait."""
    leases = [Lease(controller.routing, name) for _ in range(count)]
    tasks = [asyncio.create_task(lease.ready()) for lease in leases]
    await eventually(lambda: sum(controller.routing.waiting().values()) >= count)
    return list(zip(leases, tasks, strict=True))


async def test_a_ready_model_is_counted_when_it_is_picked() -> None:
    controller = Controller()
    lease = Lease(controller.routing, "ALIAS")
    coming = lease.ready()
    # Not even one turn of the loop lies between the pick and the count.
    with pytest.raises(StopIteration):
        coming.send(None)
    assert controller.routing.inflight == {"tiny-1": 1}
    lease.release()
    lease.release()
    assert not controller.routing.inflight


async def test_all_who_wait_make_one_acquire_and_are_counted_at_once() -> None:
    controller = Controller("cold")
    found = await waiting(controller, 100)
    controller.push("cold")
    assert controller.acquires == 1
    controller.push("loading")
    controller.push("ready")
    assert controller.routing.inflight == {"tiny-1": 100}
    for _, task in found:
        assert (await task).instance == "tiny-1"
    assert controller.routing.waiting() == {}
    assert controller.acquires == 1


async def test_a_model_that_is_cold_again_is_asked_for_again() -> None:
    controller = Controller("cold")
    [(_, task)] = await waiting(controller)
    controller.push("loading")
    controller.push("cold")
    assert controller.acquires == 2
    task.cancel()


async def test_another_controller_is_asked_again() -> None:
    controller = Controller("cold")
    [(_, task)] = await waiting(controller)
    controller.routing.lost()
    assert controller.acquires == 1
    controller.push("cold", start="s2")
    assert controller.acquires == 2
    task.cancel()


async def test_who_leaves_while_he_waits_is_not_counted() -> None:
    controller = Controller("cold")
    [(lease, task)] = await waiting(controller)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    lease.release()
    controller.push("ready")
    assert not controller.routing.inflight
    assert controller.routing.waiting() == {}


async def test_who_leaves_in_the_step_that_releases_him_is_given_back() -> None:
    controller = Controller("cold")
    [(lease, task)] = await waiting(controller)
    controller.push("ready")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    lease.release()
    assert not controller.routing.inflight


@pytest.mark.parametrize(("state", "error"), [("held", OnHold), ("failed", LaunchFailed)])
async def test_what_no_waiting_helps_is_refused_with_its_cause(state: str, error: type[StudioError]) -> None:
    controller = Controller("cold")
    [(_, task)] = await waiting(controller)
    controller.push(state)
    with pytest.raises(error, match="because") as late:
        await task
    with pytest.raises(error, match="because"):
        await Lease(controller.routing, "tiny").ready()
    assert late.value.hint == "do this"
    assert controller.acquires == 1


async def test_a_removed_model_keeps_nobody_waiting() -> None:
    controller = Controller("cold")
    [(_, task)] = await waiting(controller)
    controller.routing.take(Table(version=("s1", 9)))
    with pytest.raises(UnknownModel):
        await task
    with pytest.raises(UnknownModel):
        await Lease(controller.routing, "tiny").ready()


async def test_the_queue_is_bounded() -> None:
    controller = Controller("cold", queue_limit=3)
    found = await waiting(controller, 3)
    with pytest.raises(TooMany):
        await Lease(controller.routing, "tiny").ready()
    for _, task in found:
        task.cancel()


async def test_a_drain_is_acked_at_zero_and_again_for_every_newer_table() -> None:
    controller = Controller()
    lease = Lease(controller.routing, "tiny")
    await lease.ready()
    controller.push("draining")
    assert controller.acks == []
    [(_, task)] = await waiting(controller)
    assert controller.acquires == 0, "whether it is stopped is not decided yet"
    lease.release()
    assert controller.acks == [2]
    controller.push("draining")
    assert controller.acks == [2, 3]
    controller.push("ready")
    assert (await task).instance == "tiny-1"


async def test_a_lost_connection_voids_a_drain_that_was_not_acked() -> None:
    controller = Controller()
    busy = Lease(controller.routing, "tiny")
    await busy.ready()
    controller.push("draining")
    [(_, task)] = await waiting(controller)
    controller.routing.lost()
    assert (await task).instance == "tiny-1"
    busy.release()
    assert controller.acks == []


async def test_an_acked_route_opens_only_by_a_newer_table() -> None:
    controller = Controller()
    controller.push("draining")
    assert controller.acks == [2]
    controller.routing.lost()
    [(_, task)] = await waiting(controller)
    assert not controller.routing.inflight
    controller.push("ready", start="s2")
    assert (await task).instance == "tiny-1"


async def test_a_cold_request_waits_only_so_long_for_a_controller(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CONTROLLER_S", 0.05)
    monkeypatch.setattr(module, "PAUSE_S", 0.01)
    controller = Controller("cold")
    controller.routing.lost()
    with pytest.raises(Unavailable, match="controller is away"):
        await Lease(controller.routing, "tiny").ready()
    assert controller.routing.waiting() == {}


async def test_what_a_kept_table_says_is_believed_only_while_somebody_answers() -> None:
    controller = Controller()
    route = controller.routing.find("tiny")
    assert not controller.routing.doubt(route), "with a controller it is the controller who knows"
    controller.routing.lost()
    assert controller.routing.doubt(route)
    [(_, task)] = await waiting(controller)
    controller.push("ready", start="s2")
    assert (await task).instance == "tiny-1"
