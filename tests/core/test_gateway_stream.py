"""A stream is the same to its client and in its row however the engine's bytes come: chunk by chunk, several at once, or torn."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from studio_core.gateway.inference import LOOKS
from tests.core.test_gateway_errand import EVENTS, House, body, route

ENGINE_HEAD = EVENTS.replace(b"\r\n\r\n", b"\r\nX-Engine: e1\r\n\r\n")
PROMPT = {"prompt_tokens": 7, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 5}}


def event(**fields: Any) -> bytes:
    return f"data: {json.dumps(fields)}\n\n".encode()


def delta(text: str, finish: str | None = None) -> bytes:
    return event(choices=[{"index": 0, "delta": {"content": text}, "finish_reason": finish}])


def framed(*events: bytes) -> list[bytes]:
    """A chunk each, and the last."""
    return [*(b"%x\r\n%b\r\n" % (len(one), one) for one in events), b"0\r\n\r\n"]


def unframed(answer: bytes) -> bytes:
    """The body of the only answer on a connection, which ends with its last chunk."""
    head, _, rest = answer.partition(b"\r\n\r\n")
    assert b"transfer-encoding: chunked" in head
    found = b""
    while True:
        line, _, rest = rest.partition(b"\r\n")
        size = int(line, 16)
        assert rest[size : size + 2] == b"\r\n"
        found, rest = found + rest[:size], rest[size + 2 :]
        if size == 0:
            assert rest == b""
            return found


def streamed(known: bool, asks: bool, reads: list[bytes]) -> tuple[bytes, dict[str, Any]]:
    """What the client gets, and the row. `known`: the connections have served before, and know the heads."""
    house = House(route())
    options = {"stream_options": {"include_usage": True}} if asks else {}
    first = framed(delta("a"), delta("", "stop"), b"data: [DONE]\n\n")
    for pieces in ([[EVENTS, *first]] * 3 if known else []):
        house.ask(body(stream=True, **options))
        house.say(*pieces)
    house.register.write()
    house.paper.lines.clear()
    house.client.written = b""
    house.ask(body(stream=True, **options))
    house.say(*reads)
    [row] = house.told()
    assert not (house.client.closed or house.engine.closed)
    return unframed(house.client.written), {name: value for name, value in row.items() if name != "id"}


TEXTS = st.lists(st.text(max_size=12), max_size=6)


@given(TEXTS, st.booleans(), st.booleans(), st.booleans(), st.booleans(), st.data())
async def test_a_stream_is_the_same_however_it_comes(
    texts: list[str], known: bool, asks: bool, torn: bool, early: bool, data: st.DataObject
) -> None:
    told = [*map(delta, texts), delta("", "length")]
    usage, done = event(choices=[], usage=PROMPT), b"data: [DONE]\n\n"
    parts = [EVENTS, *framed(*told, usage, done)]
    if torn:
        whole = b"".join(parts)
        cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=8)))
        reads = [whole[start:end] for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True) if start < end]
    else:
        groups = sorted(data.draw(st.lists(st.integers(1, len(parts)), max_size=8)) if early else [1, 2])
        reads = [b"".join(parts[start:end]) for start, end in zip([0, *groups], [*groups, len(parts)], strict=True) if start < end]
    seen, row = streamed(known, asks, reads)
    assert seen == b"".join([*told, *([usage] if asks else []), done])
    assert row == {
        "t": "end", "status": 200, "outcome": "ok", "error": None, "recipe": "tiny", "instance": "i1",
        "path": "/v1/chat/completions", "model": "tiny", "key": "k1", "stream": True, "prompt_tokens": 7, "completion_tokens": 2,
        "cached_tokens": 5, "reasoning_tokens": None, "finish": "length", "chunks": len(texts) + 1,
    }


@given(st.lists(st.integers(1, 60), max_size=12), st.booleans(), st.booleans(), st.booleans())
@example(sizes=[len(delta("abc", "stop")), 26], known=False, asks=False, at_once=True)
async def test_an_event_may_be_spread_over_chunks(sizes: list[int], known: bool, asks: bool, at_once: bool) -> None:
    shown, usage, done = delta("abc", "stop"), event(choices=[], usage=PROMPT), b"data: [DONE]\n\n"
    whole, bodies = shown + usage + done, []
    for size in sizes:
        bodies.append(whole[:size])
        whole = whole[size:]
    chunks = framed(*(one for one in [*bodies, whole] if one))
    reads = [EVENTS, b"".join(chunks[:-1]), chunks[-1]] if at_once else [EVENTS, *chunks]
    seen, row = streamed(known, asks, reads)
    assert seen == shown + (usage if asks else b"") + done
    assert (row["prompt_tokens"], row["finish"], row["chunks"]) == (7, "stop", 1)


@given(st.booleans(), st.integers(1, 3), st.booleans())
async def test_a_stream_without_its_end_is_no_whole_one(known: bool, count: int, at_once: bool) -> None:
    """The engine ends its chunks in good order, and yet has not said that it was done."""
    reads = [EVENTS, *framed(*[delta("a")] * count)]
    seen, row = streamed(known, True, [b"".join(reads)] if at_once else reads)
    assert seen.startswith(delta("a") * count) and b'"error"' in seen[len(delta("a")) * count :]
    assert (row["status"], row["outcome"], row["chunks"]) == (502, "failed", count)


def waiting(known: bool) -> House:
    """The engine has begun its answer, and said nothing yet."""
    house = House(route())
    if known:
        house.ask(body(stream=True))
        house.say(ENGINE_HEAD, *framed(delta("a", "stop"), b"data: [DONE]\n\n"))
        house.client.written = b""
    house.ask(body(stream=True))
    house.say(ENGINE_HEAD)
    assert house.client.written == b""
    return house


@pytest.mark.parametrize("known", [False, True])
async def test_a_head_goes_out_with_its_first_event(known: bool) -> None:
    house = waiting(known)
    assert house.under_way.view().state == "prefill"
    house.say(*framed(delta("a")))
    head, _, rest = house.client.written.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n") and b"x-engine: e1" in head and delta("a") in rest
    assert b'"error"' in rest, "it ended without [DONE]"


@pytest.mark.parametrize("known", [False, True])
async def test_an_engine_that_dies_before_its_first_event_has_not_answered(known: bool) -> None:
    house = waiting(known)
    house.upstream.connection_lost(None)
    assert house.client.written.startswith(b"HTTP/1.1 502 ") and b"did not answer" in house.client.written


async def test_a_head_that_is_held_for_long_goes_out_with_a_ping() -> None:
    house = waiting(True)
    one, policy = house.under_way, house.routing.table.policy
    assert one.late(one.began + 1.0) > one.began + 1.0 and house.client.written == b""
    one.late(one.began + policy.hold_headers_s + 1.0)
    assert b"x-engine: e1" in house.client.written and house.client.written.endswith(b": ping\n\n\r\n")
    house.say(*framed(delta("a", "stop"), b"data: [DONE]\n\n"))
    assert unframed(house.client.written) == b": ping\n\n" + delta("a", "stop") + b"data: [DONE]\n\n"


async def test_silence_is_counted_from_what_came_last() -> None:
    house = waiting(True)
    house.say(*framed(delta("a"), delta("b"))[:2])
    one, pause = house.under_way, house.routing.table.policy.ping_s
    now = one.began + 2 * pause
    assert now < one.late(now) <= now + pause / LOOKS, "something had come since it was asked last"
    one.late(now + pause - 0.1)
    assert b"ping" not in house.client.written
    one.late(now + pause)
    assert house.client.written.count(b": ping\n\n") == 1
