"""Chunks told by their size lines: what counts as known is what a parser would take, and nothing else."""

from __future__ import annotations

from typing import Any

import httptools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio_core.gateway.frame import KNOWN_BYTES, unframed


class Body:
    """What llhttp finds behind a chunked head."""

    def __init__(self, data: bytes) -> None:
        self.found, self.inside, self.over = b"", False, False
        parser: Any = httptools.HttpResponseParser(self)
        parser.feed_data(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        parser.feed_data(data)

    def on_chunk_header(self) -> None:
        self.inside = True

    def on_chunk_complete(self) -> None:
        self.inside = False

    def on_body(self, data: bytes) -> None:
        self.found += data

    def on_message_complete(self) -> None:
        self.over = True


def framed(*pieces: bytes, upper: bool = False) -> bytes:
    size = "%X" if upper else "%x"
    return b"".join((size % len(piece)).encode() + b"\r\n" + piece + b"\r\n" for piece in pieces)


PIECES = st.lists(st.binary(min_size=1, max_size=300), min_size=1, max_size=4)
EVENT = b'data: {"choices":[]}\n\n'
# What a parser may take, or has to refuse: none of it is known here.
UNKNOWN = [
    b"", b"\r\n", b"5", b"5\r\n", b"5\r\nhello", b"5\r\nhello\r", b"5\r\nhello\n", b"5\r\nhello\r\n0\r\n\r\n", b"0\r\n\r\n",
    b"05\r\nhello\r\n", b"0x5\r\nhello\r\n", b"+5\r\nhello\r\n", b"-5\r\nhello\r\n", b"5_0\r\nhello\r\n", b"5 \r\nhello\r\n",
    b" 5\r\nhello\r\n", b"5;a=b\r\nhello\r\n", b"5\nhello\r\n", b"4\r\nhello\r\n", b"6\r\nhello\r\n", b"5\r\nhello\r\nx",
    b"5\r\nhello\r\n5\r\nhell", framed(b"x" * KNOWN_BYTES),
]


@given(PIECES, st.booleans())
def test_whole_chunks_are_known(pieces: list[bytes], upper: bool) -> None:
    found = unframed(framed(*pieces, upper=upper))
    assert found == pieces or (found is None and any(b"\r\n" in piece for piece in pieces))


@pytest.mark.parametrize("data", UNKNOWN)
def test_anything_else_is_left_to_the_parser(data: bytes) -> None:
    assert not unframed(data)


def test_a_thousand_chunks_of_one_read() -> None:
    assert unframed(framed(*[EVENT] * 1000)) == [EVENT] * 1000


@given(PIECES, st.integers(0, 1300), st.binary(max_size=3), st.integers(0, 3))
def test_what_is_known_is_what_the_parser_finds(pieces: list[bytes], at: int, noise: bytes, cut: int) -> None:
    data = framed(*pieces)
    data = data[:at] + noise + data[at + cut :]
    known = unframed(data)
    if known:
        body = Body(data)
        assert (body.found, body.inside, body.over) == (b"".join(known), False, False)
