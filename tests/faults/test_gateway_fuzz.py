"""Bodies that are no request, by the hundred, against a real gateway: never its own error, a stuck loop or a lost line."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from studio_core.gateway.table import Filters
from tests.faults.gateway_house import Asked, Gateways, Wire, chat, get, post, whole

KEYS = st.sampled_from(["model", "stream", "stream_options", "messages", "include_usage", "temperature"]) | st.text(max_size=5)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**40), 10**40) | st.floats() | st.text(max_size=20) | st.just("tiny"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=10,
)
# Python writes NaN, Infinity and lone surrogates, which are not JSON.
WRITTEN = st.dictionaries(KEYS, VALUES, max_size=5).map(lambda data: json.dumps({"model": "tiny", **data}).encode())
TWICE = st.tuples(WRITTEN, WRITTEN).map(lambda two: two[0][:-1] + b"," + two[1][1:])
TORN = st.tuples(WRITTEN, st.integers(0, 60)).map(lambda one: one[0][: one[1]])
DEEP = st.integers(1, 3000).map(lambda depth: b'{"model":"tiny","a":' + b"[" * depth + b"]" * depth + b"}")
RULES = Filters(strip=["a"], set={"top_k": 1}, clamp={"temperature": (0, 1)})
BODIES = WRITTEN | TWICE | TORN | DEEP | VALUES.map(lambda data: json.dumps(data).encode()) | st.binary(max_size=200)


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture
def house(shared: Gateways) -> Gateways:
    return shared


def bodies(count: int) -> list[bytes]:
    found: list[bytes] = []

    @settings(max_examples=count, deadline=None, database=None, derandomize=True, phases=[Phase.generate],
              suppress_health_check=list(HealthCheck))
    @given(BODIES)
    def collect(body: bytes) -> None:
        found.append(body)

    collect()
    return found


async def answer(wire: Wire) -> tuple[int, Any]:
    """Status and body of the next answer on a connection that goes on."""
    reader, _ = wire
    head = await reader.readuntil(b"\r\n\r\n")
    fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:-2])
    if b"content-length" in fields:
        return int(head.split(b" ")[1]), await reader.readexactly(int(fields[b"content-length"]))
    data = b""
    while not data.endswith(b"\r\n0\r\n\r\n"):
        data += await reader.readuntil(b"\r\n")
    return int(head.split(b" ")[1]), data


async def answers(asked: Asked, writer: asyncio.StreamWriter) -> None:
    """A well-behaved engine, but for what is too deep for Python's own reader: that is no fault of the gateway."""
    try:
        await chat(asked, writer)
    except RecursionError:
        writer.write(whole(200, {}))


@pytest.mark.timeout(900)
@pytest.mark.parametrize("filters", [None, RULES], ids=["plain", "filtered"])
@pytest.mark.parametrize(("count", "late_s"), [(100, 1.0), pytest.param(10_000, 0.1, marks=pytest.mark.slow)])
async def test_no_body_makes_an_error_of_ours(house: Gateways, count: int, late_s: float, filters: Filters | None) -> None:
    house.engine.script = answers
    house.publish("ready", filters=filters)
    found = bodies(count)  # Before there is a connection, which would idle meanwhile.
    late: list[float] = []

    async def watch() -> None:
        while True:
            began = time.monotonic()
            await house.ask(get("/health"))
            late.append(time.monotonic() - began)
            await asyncio.sleep(0.05)

    watching, wire = asyncio.create_task(watch()), await house.connect()
    seen: dict[int, int] = {}
    for body in found:
        wire[1].write(post(body, headers=""))
        status, data = await answer(wire)
        seen[status] = seen.get(status, 0) + 1
        assert status in (200, 400, 404), (body, data)
        if status != 200:
            assert {"message", "type", "param", "code", "request_id"} <= set(json.loads(data)["error"])
    wire[1].close()
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    assert seen.get(200) and seen.get(400), seen
    assert len(await house.ended(len(found))) == len(found)
    assert sorted(late)[int(len(late) * 0.9)] < late_s, "whoever else asks is answered meanwhile"
