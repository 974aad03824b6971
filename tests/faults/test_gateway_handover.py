"""Hand-over: upgrades and changed configurations, one after the other, while streams run and new clients come all the time."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter

import pytest
from prometheus_client.parser import text_string_to_metric_families

from studio_core.controller.gatekeeper import Gatekeeper
from studio_core.supervisor import identity
from tests.faults.gateway_house import (
    DONE,
    KEY,
    STREAM_HEAD,
    Asked,
    Gateways,
    body_of,
    chat,
    chunk,
    event,
    get,
    unchunked,
)
from tests.wait import eventually

STREAMS, CLIENTS = 50, 3


class Rounds:
    """A script: streams that emit all the time, until their round is over; what is no stream is answered at once."""

    def __init__(self) -> None:
        self.over = asyncio.Event()

    async def __call__(self, asked: Asked, writer: asyncio.StreamWriter) -> None:
        if not asked.json.get("stream"):
            await chat(asked, writer)
            return
        writer.write(STREAM_HEAD)
        for number in itertools.count():
            writer.write(chunk(event(f"{number} ")))
            await writer.drain()
            try:
                async with asyncio.timeout(0.02):
                    await self.over.wait()
                break
            except TimeoutError:
                continue
        writer.write(DONE)


SCRAPE = get("/metrics", f"Authorization: Bearer {KEY}\r\n")
GROW = {"counter", "histogram"}


async def counters(house: Gateways) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """What only grows, as a scrape shows it."""
    text = (await house.ask(SCRAPE)).partition(b"\r\n\r\n")[2].decode()
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text) if family.type in GROW for sample in family.samples
    }


class Flow:
    """Clients that come one after the other, each on a connection of its own, and a scraper; what became of them."""

    def __init__(self, house: Gateways) -> None:
        self.seen: Counter[str] = Counter()
        self._house = house
        self._tasks = [*(asyncio.create_task(self._come()) for _ in range(CLIENTS)), asyncio.create_task(self._scrape())]

    async def _scrape(self) -> None:
        """No counter goes back, whichever gateway answers."""
        last = await counters(self._house)
        while True:
            await asyncio.sleep(0.1)
            found = await counters(self._house)
            back = {name for (name, labels), value in last.items() if found.get((name, labels), 0.0) < value}
            self.seen["scraped" if not back else f"went back: {sorted(back)}"] += 1
            last = found

    async def _come(self) -> None:
        for number in itertools.count():
            try:
                answer = await (self._house.chat() if number % 2 else self._house.ask(get("/health")))
                good = answer.startswith(b"HTTP/1.1 200") and bool(body_of(answer))
                self.seen["answered" if good else repr(answer[:200])] += 1
            except (OSError, TimeoutError, ValueError) as error:
                self.seen[repr(error)] += 1

    async def stop(self) -> Counter[str]:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        return self.seen


def whole(answer: bytes) -> bool:
    """Whether every piece of a stream came, in order, to its end."""
    text = unchunked(answer).decode()
    told = [part.split('"content": "')[1].split(" ")[0] for part in text.split("\n\n") if '"content": "' in part]
    return told == [*map(str, range(len(told) - 1)), 'z"},'] and text.endswith("data: [DONE]\n\n")


async def hand_over(house: Gateways, number: int, patch: pytest.MonkeyPatch) -> None:
    """As an upgrade does it: another controller, and what a gateway must have been started with is another."""
    old = house.pid
    await house.close(shutdown=False)
    house.start = f"s{number + 2}"
    patch.setattr(Gatekeeper, "config", f"configuration {number}")
    await house.open()
    await eventually(lambda: house.link.gateway.connected and house.pid != old)
    await house.linked()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("rounds", [3, pytest.param(20, marks=pytest.mark.slow)])
async def test_no_stream_is_cut_and_nobody_refused(house: Gateways, monkeypatch: pytest.MonkeyPatch, rounds: int) -> None:
    flow, gateway = Flow(house), []
    for number in range(rounds):
        house.engine.script = script = Rounds()
        before = len(house.engine.asked)
        streams = [asyncio.create_task(house.chat(stream=True)) for _ in range(STREAMS)]
        await eventually(
            lambda: sum(bool(one.json.get("stream")) for one in house.engine.asked[before:]) == STREAMS  # noqa: B023
        )
        gateway.append((house.pid, identity.ticks(house.pid) or 0))
        await hand_over(house, number, monkeypatch)
        script.over.set()
        answers = await asyncio.gather(*streams)
        assert [whole(answer) for answer in answers] == [True] * STREAMS
    seen = await flow.stop()
    assert set(seen) == {"answered", "scraped"} and min(seen.values()) > rounds, seen
    await eventually(lambda: not any(identity.alive(*one) for one in gateway), what="those before have gone")

    async def counted_as_written() -> list[str]:
        found = await counters(house)
        told = sum(value for (name, of), value in found.items() if name.endswith("requests_total") and ("outcome", "ok") in of)
        ends = [line["id"] for line in house.journal() if line["t"] == "end" and line["outcome"] == "ok"]
        return ends if told == len(ends) else []

    ends = await eventually(counted_as_written, what="all gateways' counters, also of those that are gone, are the journal's")
    assert len(ends) >= rounds * STREAMS and len(set(ends)) == len(ends)


async def test_one_that_retired_is_known_to_the_next_controller_and_never_serves_again(
    house: Gateways, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.engine.script = script = Rounds()
    stream = asyncio.create_task(house.chat(stream=True))
    await eventually(lambda: house.link.inflight.total() == 1)
    first = house.pid
    await hand_over(house, 0, monkeypatch)
    monkeypatch.undo()
    # Back to what the first was started with; it still has its stream, and is not the one to accept.
    await house.close(shutdown=False)
    house.start = "s9"
    await house.open()
    await house.linked()
    await eventually(lambda: house.link.inflight.total() == 1, what="its stream is counted by the new controller")
    assert house.pid != first
    house.publish("draining")
    assert not await house.link.drained("tiny-1", house.version, 0.3)
    draining = asyncio.create_task(house.link.drained("tiny-1", house.version, 10.0))
    script.over.set()
    assert whole(await stream) and await draining
    house.publish("ready")
    assert (await house.chat()).startswith(b"HTTP/1.1 200")
