"""The hub: a snapshot first, then the latest of everything, for any listener at any pace."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from studio_core.events import PENDING_LIMIT, Hub
from tests.wait import eventually


async def test_a_new_listener_gets_what_stands_and_nothing_that_is_over() -> None:
    hub = Hub()
    hub.publish("gpu", {"count": 1})
    hub.publish("recipe", {"id": "a"}, "a")
    hub.publish("gpu", {"count": 2})
    listener = hub.subscribe([("status", {"running": False})])
    first, second = await listener.next(1), await listener.next(1)
    assert first is not None and (first.event, first.data) == ("status", {"running": False})
    assert second is not None and (second.event, second.data) == ("gpu", {"count": 2})
    assert await listener.next(0.01) is None


async def test_a_slow_listener_is_kept_and_only_the_latest_of_each_key_waits_for_it() -> None:
    hub = Hub()
    listener = hub.subscribe()
    for number in range(10_000):
        hub.publish("status", number)
        hub.publish("launch_progress", number, f"launch-{number % 3}")
    got = [await listener.next(1) for _ in range(4)]
    assert await listener.next(0.01) is None
    assert sorted((one.event, one.data) for one in got if one) == [
        ("launch_progress", 9997), ("launch_progress", 9998), ("launch_progress", 9999), ("status", 9999),
    ]
    assert listener.coalesced == 20_000 - 4
    assert hub.stats()["total_subscribers"] == 1


async def test_a_listener_never_holds_more_than_the_limit_and_keeps_the_standing_value() -> None:
    hub = Hub()
    listener = hub.subscribe()
    hub.publish("status", "first")
    for number in range(3 * PENDING_LIMIT):
        hub.publish("recipe", number, f"recipe-{number}")
    got = []
    while (event := await listener.next(0.01)) is not None:
        got.append(event)
    assert len(got) == PENDING_LIMIT
    assert got[0].data == "first" and got[-1].data == 3 * PENDING_LIMIT - 1


async def test_every_listener_sees_the_order_of_the_events_it_gets() -> None:
    hub = Hub()
    seen: list[list[int]] = [[], []]

    async def read(listener_of: list[int]) -> None:
        async for event in hub.subscribe():
            listener_of.append(int(event.id))

    tasks = [asyncio.create_task(read(one)) for one in seen]
    await eventually(lambda: hub.stats()["total_subscribers"] == 2)
    for number in range(50):
        hub.publish("status", number)
        hub.publish("recipe", number, str(number))
        await asyncio.sleep(0)
    await eventually(lambda: all(one and one[-1] == 100 for one in seen))
    assert all(before < after for one in seen for before, after in pairwise(one))
    hub.close()
    late = hub.subscribe()
    standing = await late.next(1)
    assert standing is not None and standing.data == 49
    with pytest.raises(StopAsyncIteration):
        await late.next(1)
    await asyncio.wait_for(asyncio.gather(*tasks), 5)


async def test_a_listener_may_want_some_kinds_only() -> None:
    hub = Hub()
    hub.publish("metrics", 1)
    with hub.subscribe([("status", "now"), ("gpu", "figures")], ("status", "recipe")) as one:
        hub.publish("gpu", 2)
        hub.publish("recipe", 3)
        assert [(event.event, event.data) for event in [await one.next(1.0), await one.next(1.0)] if event] == [
            ("status", "now"), ("recipe", 3)]
        assert await one.next(0.01) is None
