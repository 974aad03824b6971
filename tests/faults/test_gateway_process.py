"""The gateway as a process: killed, handed over, drained, alone. Real signals, real sockets, the controller's real link."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import signal
import socket
import time
from pathlib import Path

import msgspec
import pytest

from studio_core import settings
from studio_core.controller.gatekeeper import Gatekeeper
from studio_core.errors import PortTaken
from studio_core.paths import Places
from studio_core.supervisor import identity
from tests.faults.gateway_house import KEY, STREAM_HEAD, Asked, Gateways, body_of, chunk, event, get, post, unchunked
from tests.wait import eventually

POLICY = {"ping_s": 0.2, "hold_headers_s": 0.2}


class Gate:
    """A script that begins a stream and ends it when told."""

    def __init__(self) -> None:
        self.open = asyncio.Event()

    async def __call__(self, asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(STREAM_HEAD + chunk(event("a")))
        await self.open.wait()
        writer.write(chunk(event("b", "stop")) + chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n")


async def streaming(house: Gateways, count: int = 1) -> list[asyncio.Task[bytes]]:
    """Streams that have begun."""
    before = len(house.engine.asked)
    found = [asyncio.create_task(house.chat(stream=True)) for _ in range(count)]
    await eventually(lambda: len(house.engine.asked) == before + count and house.link.inflight.total() == count)
    return found


@pytest.mark.parametrize("rounds", [3, pytest.param(20, marks=pytest.mark.slow)])
async def test_a_killed_gateway_accepts_again_within_a_second_and_keeps_nobody_out(house: Gateways, rounds: int) -> None:
    for _ in range(rounds):
        old = house.pid
        os.kill(old, signal.SIGKILL)
        killed = time.monotonic()
        # Connections made while nobody is there wait in the queue of the socket.
        answers = await asyncio.gather(*(house.chat() for _ in range(20)))
        assert {body_of(answer)["usage"]["total_tokens"] for answer in answers} == {9}
        # The figure is 1 s; here other tests have the two cores, and an interpreter has to start.
        assert time.monotonic() - killed < 15.0
        await eventually(lambda: house.link.gateway.connected and house.pid != old)  # noqa: B023


async def test_a_gateway_opens_as_many_files_as_it_may(house: Gateways) -> None:
    """A stream is two of them, and a shell grants 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    old = house.pid
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))
    try:
        os.kill(old, signal.SIGKILL)
        await eventually(lambda: house.link.gateway.connected and house.pid != old)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert resource.prlimit(house.pid, resource.RLIMIT_NOFILE) == (min(hard, 65_536), hard)


async def test_streams_and_gateway_outlive_the_controller(house: Gateways) -> None:
    house.engine.script = gate = Gate()
    [task] = await streaming(house)
    pid = house.pid
    await house.close(shutdown=False)
    health = body_of(await house.ask(get("/health")))
    assert health["status"] == "ok"
    away = await house.ask(get("/status"))
    assert away.startswith(b"HTTP/1.1 503")
    assert b"retry-after: " in away
    gate.open.set()
    assert unchunked(await task).endswith(b"data: [DONE]\n\n")
    house.start = "s2"
    await house.open()
    await house.linked()
    assert house.pid == pid


async def test_a_gateway_starts_alone_from_its_last_table_and_never_without_keys(house: Gateways) -> None:
    kept = json.loads(house.places.table.read_bytes())
    assert house.places.table.stat().st_mode & 0o777 == 0o600
    assert kept["keys"][0]["id"] == "k1"
    assert KEY not in house.places.table.read_text()
    await house.close()
    alone = house.keeper()
    await alone.start()
    assert body_of(await house.chat())["usage"]["total_tokens"] == 9
    wrong = await house.ask(post({"model": "tiny"}, headers="Authorization: Bearer sk-wrong\r\nConnection: close\r\n"))
    assert wrong.startswith(b"HTTP/1.1 401")
    await alone.stop()
    await house.open()
    await house.linked()


async def test_a_last_table_is_believed_only_while_somebody_answers(house: Gateways) -> None:
    good = house.engine.port
    # Taken and not listened on: whoever connects is refused.
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        house.engine.port = deaf.getsockname()[1]
        await house.linked()
        await house.close(shutdown=False)
        await eventually(lambda: away(house))
        task = asyncio.create_task(house.chat())
        await eventually(lambda: any(line["t"] == "start" for line in house.journal()))
        house.start, house.engine.port = "s2", good
        await house.open()
        await house.linked()
        assert body_of(await task)["usage"]["total_tokens"] == 9


async def away(house: Gateways) -> bool:
    """Whether the gateway has noticed that the controller is gone."""
    return bool(body_of(await house.ask(get("/health")))["controller"] == "away")


async def test_a_dead_controller_is_started_again_unless_studio_was_ended(house: Gateways, tmp_path: Path) -> None:
    revived = tmp_path / "revived"
    house.places.controller_json.write_text(json.dumps({"argv": ["/usr/bin/touch", str(revived)]}))
    await house.close(shutdown=False)
    await eventually(lambda: away(house))
    house.places.down.unlink()
    gone = time.monotonic()
    await eventually(revived.exists)
    assert time.monotonic() - gone < 15.0
    house.places.down.touch()
    await house.open()
    await house.linked()


async def test_a_hundred_requests_for_a_cold_model_make_one_acquire(house: Gateways) -> None:
    house.publish("cold")
    tasks = [asyncio.create_task(house.chat(stream=number % 2 == 0)) for number in range(100)]
    await eventually(lambda: house.link.waiting.total() == 100)
    assert house.acquired == ["tiny"]
    house.publish("loading")
    house.publish("ready")
    answers = await asyncio.gather(*tasks)
    assert all(b" 200 " in answer[:20] and b"hello" in answer for answer in answers)
    assert house.acquired == ["tiny"]
    ends = await house.ended(100)
    assert {end["outcome"] for end in ends} == {"ok"}
    assert len({end["id"] for end in ends}) == 100


async def test_a_waiting_stream_keeps_its_status_for_a_while_and_then_hears_pings(house: Gateways) -> None:
    quick, house.policy = house.policy, msgspec.structs.replace(house.policy, hold_headers_s=30.0)
    house.publish("cold")
    early = asyncio.create_task(house.chat(stream=True))
    late = asyncio.create_task(house.ask(post({"model": "tiny", "messages": []})))
    await eventually(lambda: house.link.waiting.total() == 2)
    house.publish("failed")
    answers = await asyncio.gather(early, late)
    assert all(answer.startswith(b"HTTP/1.1 503") and b"because" in answer for answer in answers)

    house.policy = quick
    house.publish("cold")
    reader, writer = await house.connect()
    writer.write(post({"model": "tiny", "stream": True, "messages": []}))
    async with asyncio.timeout(60):
        head = await reader.readuntil(b": ping\n\n")
        assert head.startswith(b"HTTP/1.1 200")
        house.publish("failed")
        rest = await reader.read()
    writer.close()
    assert b'"message":"because' in rest
    assert b"[DONE]" not in rest
    assert rest.endswith(b"0\r\n\r\n")


async def test_held_is_refused_with_its_hint_and_makes_no_acquire(house: Gateways) -> None:
    house.publish("held")
    answer = await eventually(lambda: refused(house))
    assert body_of(answer)["error"]["code"] == "on_hold"
    assert body_of(answer)["error"]["hint"] == "do this"
    assert house.acquired == []


async def refused(house: Gateways) -> bytes:
    answer = await house.chat()
    return answer if answer.startswith(b"HTTP/1.1 503") else b""


async def test_a_drain_waits_for_who_is_in_flight_on_every_gateway(house: Gateways) -> None:
    house.engine.script = gate = Gate()
    [task] = await streaming(house)
    house.publish("draining")
    assert not await house.link.drained("tiny-1", house.version, 0.3)
    draining = asyncio.create_task(house.link.drained("tiny-1", house.version, 10.0))
    waits = asyncio.create_task(house.chat())
    await eventually(lambda: house.link.waiting.total() == 1)
    gate.open.set()
    await task
    assert await draining
    await eventually(lambda: house.link.inflight.total() == 0)
    assert not waits.done(), "a closed route opens only by a newer table"
    house.publish("ready")
    assert b" 200 " in await waits


async def test_a_gateway_that_is_alive_but_away_holds_a_drain_up_and_a_dead_one_does_not(house: Gateways) -> None:
    pid = house.pid
    os.kill(pid, signal.SIGSTOP)
    try:
        house.publish("draining")
        assert not await house.link.drained("tiny-1", house.version, 0.5)
    finally:
        os.kill(pid, signal.SIGKILL)
    assert await house.link.drained("tiny-1", house.version, 10.0)


async def test_a_new_controller_waits_for_a_gateway_that_has_not_dialled_yet(house: Gateways) -> None:
    house.engine.script = gate = Gate()
    [task] = await streaming(house)
    pid = house.pid
    os.kill(pid, signal.SIGSTOP)
    await house.close(shutdown=False)
    house.start, house.version = "s2", 0
    opening = asyncio.create_task(house.open())
    try:
        await eventually(lambda: house.places.link_socket.exists() and house.link._start_id == "s2")
        house.publish("draining")
        assert not await house.link.drained("tiny-1", house.version, 0.5)
    finally:
        os.kill(pid, signal.SIGCONT)
    await opening
    await eventually(lambda: house.link.gateway.connected)
    gate.open.set()
    assert await house.link.drained("tiny-1", house.version, 10.0)
    await task


async def test_a_changed_configuration_is_handed_over_without_a_cut(
    house: Gateways, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.engine.script = gate = Gate()
    tasks = await streaming(house, 20)
    old, ticks = house.pid, identity.ticks(house.pid) or 0
    await house.close(shutdown=False)
    # As after an upgrade: what a gateway must have been started with is another.
    house.start = "s2"
    monkeypatch.setattr(Gatekeeper, "config", "another")
    await house.open()
    flow = asyncio.create_task(connections(house))
    await eventually(lambda: house.link.gateway.connected and house.pid != old)
    await house.linked()
    gate.open.set()
    for answer in await asyncio.gather(*tasks):
        assert unchunked(answer).endswith(b"data: [DONE]\n\n")
    assert await flow == 40
    await eventually(lambda: not identity.alive(old, ticks))


async def connections(house: Gateways) -> int:
    """One new connection after the other; how many were answered."""
    answers = [await house.ask(get("/health")) for _ in range(40)]
    return sum(answer.startswith(b"HTTP/1.1 200") for answer in answers)


async def test_down_gives_streams_their_time_and_writes_them_down(house: Gateways) -> None:
    house.engine.script = Gate()
    [task] = await streaming(house)
    await house.link.stop(shutdown=True, deadline_s=0.3)
    await asyncio.gather(task, return_exceptions=True)
    [end] = await house.ended(1)
    assert end["outcome"] == "cancelled"
    assert house.journal()[-1] == {"t": "closed"}
    await house.open()
    await house.linked()


async def test_a_taken_port_is_named(places: Places) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        found = settings.load({"data_dir": str(places.root), "port": number}, environ={})
        with pytest.raises(PortTaken) as error:
            await Gatekeeper(found, places).start()
    assert str(os.getpid()) in error.value.detail
    assert "studio settings set port " in error.value.hint
