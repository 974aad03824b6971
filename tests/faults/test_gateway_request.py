"""Requests under way: seen and ended by who may, over several gateways, with a controller and without; and the metrics."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from studio_core.gateway.table import Ask, Key
from tests.faults import gateway_house
from tests.faults.gateway_house import (
    KEY,
    STREAM_HEAD,
    Asked,
    Gateways,
    body_of,
    chunk,
    event,
    gateways,
    get,
    post,
    unchunked,
)
from tests.wait import eventually

PATH = "/v1/studio/requests"
MINE, OTHERS, SCRAPER = "sk-mine", "sk-others", "sk-scraper"


def key(name: str, text: str, *scopes: str) -> Key:
    return Key(id=name, sha256=hashlib.sha256(text.encode()).hexdigest(), scopes=list(scopes))


@pytest.fixture
async def house(state_dir: Path, free_port: int, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Gateways]:
    keys = [*gateway_house.KEYS, key("mine", MINE, "inference"), key("others", OTHERS, "inference"),
            key("scraper", SCRAPER, "metrics")]
    monkeypatch.setattr(gateway_house, "KEYS", keys)
    async with gateways(state_dir, free_port) as one:
        yield one


def bearer(text: str) -> str:
    return f"Authorization: Bearer {text}\r\n"


async def streaming(asked: Asked, writer: asyncio.StreamWriter) -> None:
    """Three pieces, and then nothing."""
    if asked.json.get("stream"):
        writer.write(STREAM_HEAD + chunk(event("a")) + chunk(event("b")) + chunk(event("c")))
    await asyncio.Event().wait()


async def begin(house: Gateways, text: str = MINE, stream: bool = True, model: str = "tiny") -> asyncio.Task[bytes]:
    data = post({"model": model, "stream": stream, "messages": []}, headers=bearer(text) + "Connection: close\r\n")
    return asyncio.create_task(house.ask(data))


async def flights(house: Gateways, count: int) -> list[dict[str, Any]]:
    """Of all gateways, as the controller is told; as soon as there are so many."""

    async def there() -> list[dict[str, Any]]:
        told = [one for part in await house.link.ask(Ask(number=0)) for one in part.flights]
        return [{name: getattr(one, name) for name in one.__struct_fields__} for one in told] if len(told) == count else []

    return await eventually(there)


async def cut(house: Gateways, name: str) -> bool:
    return any(part.found for part in await house.link.ask(Ask(number=0, cut=name, by="k1")))


async def test_each_phase_is_seen_and_can_be_ended(house: Gateways) -> None:
    house.engine.script = streaming
    stream, whole = await begin(house), await begin(house, stream=False)
    await eventually(lambda: len(house.engine.asked) == 2)
    house.publish("cold")
    waits = await begin(house)

    async def all_there() -> bool:
        found = await flights(house, 3)
        return sorted(one["state"] for one in found) == ["prefill", "streaming", "waiting"]

    await eventually(all_there)
    found = {one["state"]: one for one in await flights(house, 3)}
    told = found["streaming"]
    assert (told["tokens"], told["model"], told["recipe"], told["key"], told["stream"]) == (3, "tiny", "tiny", "mine", True)
    assert told["age_s"] >= told["ttft_s"] > 0 and told["peer"] == "127.0.0.1"
    assert [await cut(house, one["id"]) for one in found.values()] == [True, True, True]
    assert not await cut(house, told["id"])
    assert b"[DONE]" not in await stream and b"request_cancelled" in unchunked(await stream)
    for answer in (await whole, await waits):
        assert answer.startswith(b"HTTP/1.1 499") and body_of(answer)["error"]["code"] == "request_cancelled"
    await eventually(lambda: house.engine.gone == 2)
    ends = await house.ended(3)
    assert {(end["status"], end["outcome"]) for end in ends} == {(499, "cancelled")}
    assert all("by k1" in end["error"] for end in ends)
    await eventually(lambda: house.link.inflight.total() == house.link.waiting.total() == 0)


async def test_both_gateways_of_a_hand_over_are_seen(house: Gateways, monkeypatch: pytest.MonkeyPatch) -> None:
    house.engine.script = streaming
    before = await begin(house)
    [old] = await flights(house, 1)
    pid = house.pid
    await house.close(shutdown=False)
    house.start = "s2"
    monkeypatch.setattr("studio_core.controller.gatekeeper.Gatekeeper.config", "another")
    await house.open()
    await eventually(lambda: house.link.gateway.connected and house.pid != pid)
    await house.linked()
    after = await begin(house)
    assert old["id"] in {one["id"] for one in await flights(house, 2)}
    for one in await flights(house, 2):
        assert await cut(house, one["id"])
    assert b"request_cancelled" in await before + await after


async def test_without_a_controller_a_gateway_answers_for_itself_and_by_scope(house: Gateways) -> None:
    house.engine.script = streaming
    mine, others = await begin(house), await begin(house, OTHERS)
    await flights(house, 2)
    await house.close(shutdown=False)

    async def away() -> bool:
        return bool(body_of(await house.ask(get("/health")))["controller"] == "away")

    await eventually(away)
    assert {one["key"] for one in body_of(await house.ask(get(PATH, bearer(KEY))))["requests"]} == {"mine", "others"}
    assert body_of(await house.ask(get(PATH)))["total"] == 2, "anonymous callers of this machine may read"
    [own] = body_of(await house.ask(get(PATH, bearer(MINE))))["requests"]
    assert own["key"] == "mine"
    assert (await house.ask(get(PATH, bearer(SCRAPER)))).startswith(b"HTTP/1.1 403")
    end = get(f"{PATH}/{own['id']}", method="DELETE")
    assert (await house.ask(end)).startswith(b"HTTP/1.1 403"), "nobody knows one anonymous caller from another"
    for text, status in ((OTHERS, b"404"), (MINE, b"200"), (MINE, b"404")):
        answer = await house.ask(get(f"{PATH}/{own['id']}", bearer(text), "DELETE"))
        assert answer.startswith(b"HTTP/1.1 " + status), text
    assert b"by mine" in await mine
    [left] = body_of(await house.ask(get(PATH, bearer(KEY))))["requests"]
    assert (await house.ask(get(f"{PATH}/{left['id']}", bearer(KEY), "DELETE"))).startswith(b"HTTP/1.1 200")
    await others
    house.start = "s2"
    await house.open()
    await house.linked()


async def test_its_own_metrics_are_there_without_a_controller(house: Gateways) -> None:
    await house.chat()
    await house.chat(stream=True)
    await house.chat(model="nobody")
    answer = await house.ask(get("/metrics", bearer(SCRAPER)))
    text = answer.partition(b"\r\n\r\n")[2].decode()
    assert answer.startswith(b"HTTP/1.1 200") and b"content-type: text/plain; version=0.0.4" in answer
    assert 'vllm_studio_gateway_requests_total{recipe_id="tiny",outcome="ok",code="200"} 2\n' in text
    assert 'vllm_studio_gateway_requests_total{recipe_id="none",outcome="rejected",code="404"} 1\n' in text
    assert 'vllm_studio_gateway_generated_tokens_total{recipe_id="tiny"} 4\n' in text
    assert 'vllm_studio_gateway_time_to_first_token_seconds_count{recipe_id="tiny"} 2\n' in text
    assert (await house.ask(get("/metrics"))).startswith(b"HTTP/1.1 403")
    head = await house.ask(get("/metrics", bearer(SCRAPER), "HEAD"))
    assert head.endswith(b"\r\n\r\n") and head.startswith(b"HTTP/1.1 200")


async def test_an_engine_s_own_path_is_seen_and_ended_too(house: Gateways) -> None:
    async def silent(asked: Asked, writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    house.engine.script = silent
    asking = asyncio.create_task(house.ask(get("/upstream/tiny/slots", bearer(KEY))))
    [one] = await flights(house, 1)
    assert (one["path"], one["state"], one["key"]) == ("/upstream/tiny/slots", "prefill", "k1")
    assert await cut(house, one["id"])
    answer = await asking
    assert answer.startswith(b"HTTP/1.1 499") and body_of(answer)["code"] == "request_cancelled"
    [end] = await house.ended(1)
    assert (end["status"], end["outcome"]) == (499, "cancelled") and "by k1" in end["error"]
    await eventually(lambda: house.engine.gone == 1)
    await eventually(lambda: house.link.inflight.total() == 0)
