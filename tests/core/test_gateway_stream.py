"""A stream is the same to its client and in its row however the engine's bytes come: chunk by chunk, several at once, or torn."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from tests.core.test_gateway_errand import EVENTS, House, body, route

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
