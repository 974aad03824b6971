"""Who is gone is freed at once: nothing of a request or a connection waits for the garbage collector, which comes rarely."""

from __future__ import annotations

import asyncio
import gc
from collections import Counter

import pytest

from tests.core.test_gateway_errand import ANSWER, ANSWERS, BODY, EVENTS, HEAD, House, body, route, settled

HALF = b"\0"
COLD = route(state="cold", instance=None, upstream=None)
# What happens before the client leaves.
LIVES = {
    "nothing": [], "answered": [BODY, ANSWER], "a known head": [BODY, ANSWER] * 4, "prefill": [BODY],
    "prefill of a known head": [*[BODY, ANSWER] * 4, BODY], "streaming": [body(stream=True), EVENTS],
    "streamed": [body(stream=True), *ANSWERS["stream"]], "refused": [b"{"], "no such model": [body(model="other")],
    "half a body": [HALF], "a stranger": [b"\0POST /v1/models HTTP/1.1\r\nHost: evil\r\n\r\n"],
    "no request": [b"\0hello\r\n\r\n"], "torn": [BODY, ANSWER[:-3]], "no HTTP": [BODY, *ANSWERS["no HTTP"]],
}


async def live(steps: list[bytes], cold: bool) -> House:
    """A client and an engine, from their coming to their going; the gateway that is left."""
    house = House(COLD if cold else route())
    for step in steps:
        if step.startswith(b"\0"):
            house.connection.data_received((HEAD % (9, b"{")) if step == HALF else step[1:])
        elif step.startswith(b"{"):
            house.ask(step)
        else:
            house.say(step)
        if cold:
            await asyncio.sleep(0)
        else:
            await settled()
    house.connection.connection_lost(None)
    await settled()
    house.upstream.connection_lost(None)
    house.told()
    del house.connection, house.upstream
    return house


async def left_by(steps: list[bytes], cold: bool = False) -> Counter[str]:
    """The gateway's objects that only the collector would have found. Threads of other tests may leave some of other parts."""
    first = await live(steps, cold)  # What is made once is made.
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        second = await live(steps, cold)
        gc.collect()
        assert first is not second
        return Counter(type(one).__name__ for one in gc.garbage if type(one).__module__.startswith("studio_core.gateway"))
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


@pytest.mark.parametrize("name", LIVES)
async def test_a_client_that_left_leaves_nothing(name: str) -> None:
    assert not await left_by(LIVES[name])


async def test_one_that_left_while_it_waited_for_a_model_leaves_nothing() -> None:
    assert not await left_by([BODY], cold=True)
