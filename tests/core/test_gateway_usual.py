"""Chunks like the one before are told from all others, sent on whole, and counted as the parser's way would."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio_core.gateway.frame import unframed
from studio_core.gateway.observation import Observation, plain
from studio_core.gateway.usual import Usual

CHAT = 'data: {"choices":[{"delta":{"content":"%s"},"finish_reason":null}]}\n\n'
ODD = st.sampled_from([CHAT % "a" * 2, CHAT % "a" + ": ping\n\n", (CHAT % "a")[:-1], (CHAT % "a")[1:], "data: [DONE]\n\n"])


def learnt(event: str, seen: Observation, sent: list[bytes]) -> Usual | None:
    return Usual.learn(event.encode(), seen, sent.append)


def chunk(event: str, size: str = "%x") -> bytes:
    data = event.encode()
    return (size % len(data)).encode() + b"\r\n" + data + b"\r\n"


@given(st.lists(st.lists(st.one_of(
    st.text(max_size=8).map(lambda text: chunk(CHAT % json.dumps(text)[1:-1])),
    st.text(max_size=8).map(lambda text: chunk(CHAT % json.dumps(text * 40)[1:-1])),
    st.text(alphabet='ab"\\{}:\r\n', max_size=8).map(lambda text: chunk(CHAT % text)),
    st.sampled_from(["usage", "error", "finish_reason"]).map(lambda name: chunk(CHAT % f'a","{name}":{{"x":"')),
    ODD.map(chunk), st.sampled_from(["0%x", "%x;a=b", "%x1", "%X"]).map(lambda size: chunk(CHAT % "aaa", size)),
    st.binary(max_size=4),
), min_size=1, max_size=3).map(b"".join), max_size=8), st.integers(0, 80))
def test_what_is_told_at_a_glance_is_what_a_closer_look_would_find(reads: list[bytes], cut: int) -> None:
    seen, sent = Observation(), list[bytes]()
    usual = learnt(CHAT % "a", seen, sent)
    assert usual is not None
    for data in (*reads, *(data[cut:] for data in reads), *(data[:-cut] for data in reads)):
        fresh, chunks, size = Observation(), seen.chunks, seen.size
        sent.clear()
        if usual.passes(data):
            inside = unframed(data)
            assert inside is not None and all(map(plain, inside)) and fresh.sift(inside) == inside and sent == [data]
            assert (seen.chunks - chunks, seen.size - size) == (fresh.chunks, fresh.size)
        else:
            assert (seen.chunks, seen.size, sent) == (chunks, size, [])


@pytest.mark.parametrize("texts", [["bcd"], [""], ["e" * 300], ["bcd", "", "e" * 300], ["\\\\"], ["\\u00e9", "é"] * 20])
def test_more_of_the_kind_goes_on_whole(texts: list[str]) -> None:
    seen, sent = Observation(), list[bytes]()
    usual = learnt(CHAT % "a", seen, sent)
    data = b"".join(chunk(CHAT % text) for text in texts)
    assert usual is not None and usual.passes(data)
    assert (sent, seen.chunks, seen.size) == ([data], len(texts), sum(len((CHAT % text).encode()) for text in texts))


@pytest.mark.parametrize("other", [
    b"", chunk(CHAT % "a" * 2), chunk(CHAT % "a")[:-1], chunk(CHAT % "a")[1:], chunk(CHAT % "a") + b"0\r\n\r\n",
    chunk(CHAT % 'b"c'), chunk(CHAT % "b\n\ndata: [DONE]"), chunk(CHAT % "b") + chunk("data: [DONE]\n\n"),
    chunk(CHAT % ("b" * 5000)),
])
def test_nothing_else_does(other: bytes) -> None:
    seen, sent = Observation(), list[bytes]()
    usual = learnt(CHAT % "a", seen, sent)
    assert usual is not None and not usual.passes(other)
    assert (sent, seen.chunks, seen.size) == ([], 0, 0)


@pytest.mark.parametrize("taught", [CHAT % "a" * 2, 'data: {"choices":[]}\n\n', 'data: {"content":"'])
def test_nothing_is_learnt_from_what_has_another_form(taught: str) -> None:
    assert learnt(taught, Observation(), []) is None
