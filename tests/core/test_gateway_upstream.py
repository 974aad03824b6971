"""What an upstream may answer: whole, or broken and never taken for whole. Any split of its bytes gives the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio_core.gateway.head import answered
from studio_core.gateway.pool import Pool
from studio_core.gateway.upstream import HEAD_BYTES, Broken, Stale, Upstream


class Transport:
    """Remembers whether it was cut."""

    def __init__(self) -> None:
        self.cut = False

    def write(self, data: bytes) -> None:
        """It is nobody's business here what is asked."""

    def abort(self) -> None:
        self.cut = True

    def is_closing(self) -> bool:
        return self.cut

    def set_write_buffer_limits(self, high: int) -> None:
        """It has no buffer."""

    def pause_reading(self) -> None:
        """Reading is the test's."""

    def resume_reading(self) -> None:
        """The same."""


@dataclass
class Asker:
    """What became of the exchange."""

    upstream: Upstream
    body: bytes = b""
    raw: bytes = b""
    whole: bool = False
    error: Broken | None = None
    pieces: list[bytes] = field(default_factory=list)

    def heard(self, data: bytes) -> None:
        assert self.error is None and not self.whole, "nothing comes after the end"
        self.body += data
        self.whole = self.upstream.whole

    def answered(self, data: bytes) -> None:
        assert self.upstream.whole
        self.heard(data)

    def chunks(self, raw: bytes, pieces: list[bytes]) -> None:
        self.raw += raw
        self.heard(b"".join(pieces))

    def broken(self, error: Broken) -> None:
        self.error = error


def exchange(*pieces: bytes, bodiless: bool = False, close: bool = False, used: bool = False) -> Asker:
    """One question, and the answer in pieces; with `close` the other side then closes."""
    upstream = Upstream()
    upstream.connection_made(Transport())  # type: ignore[arg-type]
    if used:
        upstream.ask(Asker(upstream), b"", b"")
        upstream.data_received(PLAIN)
    asker = Asker(upstream)
    upstream.ask(asker, b"", b"", bodiless=bodiless)
    for piece in pieces:
        if asker.error is None:
            upstream.data_received(piece)
    if close and asker.error is None:
        upstream.eof_received()
        upstream.connection_lost(None)
    return asker


def repeated(first: bytes, *pieces: bytes) -> Asker:
    """The same on a connection that has had an answer, whose head it knows; then the other side closes."""
    upstream = Upstream()
    upstream.connection_made(Transport())  # type: ignore[arg-type]
    for answer in ([first], pieces):
        asker = Asker(upstream)
        upstream.ask(asker, b"", b"")
        for piece in answer:
            if asker.error is None:
                upstream.data_received(piece)
    if asker.error is None:
        upstream.eof_received()
        upstream.connection_lost(None)
    return asker


def split(data: bytes, step: int) -> list[bytes]:
    return [data[at : at + step] for at in range(0, len(data), step)]


OK = b"HTTP/1.1 200 OK\r\n"
PLAIN = OK + b"Content-Length: 5\r\n\r\nhello"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
# name → (answer, body, may be used again)
GOOD = {
    "length": (PLAIN, b"hello", True),
    "chunks": (CHUNKED + b"3\r\nhel\r\n2;x=1\r\nlo\r\n0\r\nA: b\r\n\r\n", b"hello", True),
    "empty": (OK + b"Content-Length: 0\r\n\r\n", b"", True),
    "204": (b"HTTP/1.1 204 No Content\r\n\r\n", b"", True),
    "100 first": (b"HTTP/1.1 100 Continue\r\n\r\n" + PLAIN, b"hello", True),
    "103 with headers first": (b"HTTP/1.1 103 Early Hints\r\nContent-Length: 99\r\n\r\n" + PLAIN, b"hello", True),
    "close": (OK + b"Connection: close\r\nContent-Length: 5\r\n\r\nhello", b"hello", False),
    "1.0": (b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", b"hello", False),
    "no reason": (b"HTTP/1.1 200\r\nContent-Length: 5\r\n\r\nhello", b"hello", True),
}
BAD = {
    "length and encoding": OK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "encoding and length": OK + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "two lengths": OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    "two equal lengths": OK + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
    "a list of lengths": OK + b"Content-Length: 5, 5\r\n\r\nhello",
    "signed length": OK + b"Content-Length: +5\r\n\r\nhello",
    "negative length": OK + b"Content-Length: -5\r\n\r\nhello",
    "length in hex": OK + b"Content-Length: 0x5\r\n\r\nhello",
    "endless length": OK + b"Content-Length: 99999999999999999999999\r\n\r\nhello",
    "bare LF": b"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello",
    "bare LF after a header": OK + b"Content-Length: 5\n\r\nhello",
    "bare CR in a value": OK + b"A: b\rc\r\nContent-Length: 5\r\n\r\nhello",
    "folded header": OK + b"A: b\r\n c\r\nContent-Length: 5\r\n\r\nhello",
    "NUL in a value": OK + b"A: b\0c\r\nContent-Length: 5\r\n\r\nhello",
    "space before the colon": OK + b"Content-Length : 5\r\n\r\nhello",
    "no colon": OK + b"Content-Length\r\n\r\nhello",
    "no name": OK + b": x\r\nContent-Length: 5\r\n\r\nhello",
    "chunk size with 0x": CHUNKED + b"0x5\r\nhello\r\n0\r\n\r\n",
    "signed chunk size": CHUNKED + b"+5\r\nhello\r\n0\r\n\r\n",
    "underscore in a chunk size": CHUNKED + b"0_5\r\nhello\r\n0\r\n\r\n",
    "negative chunk size": CHUNKED + b"-5\r\nhello\r\n0\r\n\r\n",
    "no chunk size": CHUNKED + b"\r\nhello\r\n0\r\n\r\n",
    "endless chunk size": CHUNKED + b"fffffffffffffffff\r\nhello\r\n0\r\n\r\n",
    "chunk longer than its size": CHUNKED + b"3\r\nhello\r\n0\r\n\r\n",
    "chunk shorter than its size": CHUNKED + b"7\r\nhello\r\n0\r\n\r\n",
    "chunk ended by LF": CHUNKED + b"5\nhello\r\n0\r\n\r\n",
    "gzip, then chunked": OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "unknown encoding": OK + b"Transfer-Encoding: xchunked\r\n\r\nhello",
    "two encodings": OK + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "no HTTP": b"SSH-2.0-OpenSSH_9.2\r\n",
    "TLS": b"\x15\x03\x03\x00\x02\x02\x28",
    "HTTP/9.9": b"HTTP/9.9 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    "a word for a status": b"HTTP/1.1 OK 200\r\nContent-Length: 5\r\n\r\nhello",
    "switching protocols": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n\x81\x05hello",
    "a head without an end": OK + b"A: " + b"a" * (HEAD_BYTES + 70_000),
    "headers without an end": OK + b"A: b\r\n" * (HEAD_BYTES // 6 + 12_000),
    "hints without an end": b"HTTP/1.1 103 Early Hints\r\n\r\n" * (HEAD_BYTES // 28 + 3_000),
}


@pytest.mark.parametrize("step", [1, 7, 10**6])
@pytest.mark.parametrize("name", GOOD)
def test_a_good_answer(name: str, step: int) -> None:
    data, body, again = GOOD[name]
    asker = exchange(*split(data, step))
    assert (asker.whole, asker.body, asker.error) == (True, body, None)
    assert asker.upstream.spent is again


@pytest.mark.parametrize("step", [1, 7, 10**6])
@pytest.mark.parametrize("name", BAD)
def test_a_bad_answer_is_never_whole_and_its_connection_never_used_again(name: str, step: int) -> None:
    if len(BAD[name]) > HEAD_BYTES and step < 1000:
        step *= 4096
    asker = exchange(*split(BAD[name], step), close=True)
    assert asker.error is not None and not asker.whole
    assert not asker.upstream.spent and not asker.upstream.usable
    pool = Pool()
    pool.give(("h", 1), asker.upstream)
    assert pool.idle(("h", 1)) is None


@pytest.mark.parametrize("name", GOOD)
def test_one_that_is_cut_anywhere_is_broken(name: str) -> None:
    data, _, _ = GOOD[name]
    for end in range(len(data)):
        asker = exchange(data[:end], close=True)
        assert asker.error is not None and not asker.whole, data[:end]
        assert not isinstance(asker.error, Stale), "it is the connection's first: nothing says that it was not begun"


def test_until_the_end_of_the_connection() -> None:
    asker = exchange(OK + b"\r\n", b"hel", b"lo", close=True)
    assert (asker.whole, asker.body, asker.upstream.spent) == (True, b"hello", False)
    assert not exchange(OK + b"\r\n", b"hello").whole


def test_what_has_no_body_has_none_whatever_it_says() -> None:
    asker = exchange(PLAIN.removesuffix(b"hello"), bodiless=True)
    assert asker.whole and not asker.upstream.spent


@pytest.mark.parametrize("after", [b"x", b"\r\n\r\nx", PLAIN])
@pytest.mark.parametrize("name", ["length", "chunks"])
def test_more_than_the_answer_ends_the_connection(name: str, after: bytes) -> None:
    asker = exchange(GOOD[name][0] + after)
    assert asker.whole and asker.body == b"hello" and not asker.upstream.spent
    later = exchange(GOOD[name][0], after)
    assert later.whole and later.body == b"hello" and not later.upstream.usable


def test_a_used_connection_that_closes_before_a_byte_came_is_stale_and_only_then() -> None:
    assert isinstance(exchange(used=True, close=True).error, Stale)
    assert not isinstance(exchange(b"H", used=True, close=True).error, Stale)
    assert not isinstance(exchange(close=True).error, Stale)


def test_headers_that_are_of_one_hop_or_named_by_connection_do_not_pass() -> None:
    names = [b"connection", b"keep-alive", b"transfer-encoding", b"upgrade", b"te", b"trailer", b"proxy-authenticate", b"x-own",
             b"x-two", b"content-type", b"x-request-id", b"server"]
    headers = [(name, b"close, X-Own , x-two" if name == b"connection" else b"v") for name in names]
    assert [name for name, _ in answered(headers)] == [b"content-type"]


@given(st.sampled_from(sorted(GOOD)), st.data())
def test_any_split_gives_the_same_answer(name: str, data: st.DataObject) -> None:
    stream, body, again = GOOD[name]
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    pieces = [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    asker = exchange(*filter(None, pieces))
    assert (asker.whole, asker.body, asker.upstream.spent) == (True, body, again)


@given(st.sampled_from(sorted({*GOOD} - {"100 first", "103 with headers first"})), st.integers(0, 200), st.binary(max_size=4))
def test_whatever_is_put_in_the_exchange_ends_at_most_once(name: str, at: int, noise: bytes) -> None:
    """`Asker.heard` fails the test when something comes after the end."""
    stream = GOOD[name][0]
    asker = exchange(*split(stream[:at] + noise + stream[at:], 5), close=True)
    assert asker.whole or asker.error is not None


# Answers after which their connection serves again; a stream's pieces as an engine writes them.
KEPT = sorted(name for name, (_, _, again) in GOOD.items() if again)
STREAM = [CHUNKED, b"5\r\nhello\r\n", b"6\r\n world\r\n", b"0\r\n\r\n"]


@pytest.mark.parametrize("first", KEPT)
@pytest.mark.parametrize("name", GOOD)
def test_a_known_head_changes_nothing(name: str, first: str) -> None:
    data, body, _ = GOOD[name]
    for step in (1, 7, 10**6):
        asker = repeated(GOOD[first][0], *split(data, step))
        assert (asker.whole, asker.body, asker.error) == (True, body, None)


@pytest.mark.parametrize("first", ["length", "chunks"])
@pytest.mark.parametrize("name", [name for name in BAD if len(BAD[name]) < HEAD_BYTES])
def test_a_bad_answer_after_a_good_one_is_never_whole(name: str, first: str) -> None:
    for step in (1, 7, 10**6):
        asker = repeated(GOOD[first][0], *split(BAD[name], step))
        assert asker.error is not None and not asker.whole
        assert not asker.upstream.usable


@given(st.sampled_from(KEPT), st.sampled_from(KEPT), st.integers(0, 120), st.binary(max_size=3), st.integers(0, 2), st.data())
def test_whatever_comes_it_ends_as_on_a_new_connection(
    first: str, name: str, at: int, noise: bytes, gone: int, data: st.DataObject
) -> None:
    stream = GOOD[name][0]
    stream = stream[:at] + noise + stream[at + gone :]
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    pieces = [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True) if start < end]
    new, old = exchange(*pieces, close=True), repeated(GOOD[first][0], *pieces)
    assert (new.whole, new.body, new.error is None) == (old.whole, old.body, old.error is None)


@pytest.mark.parametrize("first", ["".join(map(bytes.decode, STREAM)).encode(), CHUNKED + b"0\r\n\r\n", PLAIN])
def test_whole_chunks_go_on_as_they_came(first: bytes) -> None:
    asker = repeated(first, *STREAM)
    assert (asker.body, asker.whole) == (b"hello world", True)
    assert asker.raw == b"".join(STREAM[1:3] if first == PLAIN else STREAM[1:]), "the parser has to find the end of what it began"


class Hello:
    """All that is usual is this."""

    def __init__(self) -> None:
        self.passed = 0

    def passes(self, data: bytes) -> bool:
        self.passed += data == b"5\r\nhello\r\n"
        return data == b"5\r\nhello\r\n"


@pytest.mark.parametrize("other", [b"5\r\nHELLO\r\n", b"5\r\nhe", b"0\r\n\r\n"])
def test_what_is_not_usual_ends_it(other: bytes) -> None:
    """Between two reads that only the usual saw and the parser's nothing is lost, and nobody is told twice."""
    upstream = Upstream()
    upstream.connection_made(Transport())  # type: ignore[arg-type]
    asker, usual = Asker(upstream), Hello()
    upstream.ask(asker, b"", b"")
    upstream.data_received(CHUNKED)
    upstream.shortcut = usual
    for data in (b"5\r\nhello\r\n", b"5\r\nhello\r\n", other):
        upstream.data_received(data)
    assert usual.passed == 2 and upstream.shortcut is None
    assert asker.error is None and asker.whole is (other == b"0\r\n\r\n")
    assert b"hello" not in asker.body


@pytest.mark.parametrize("end", [Upstream.close, lambda upstream: upstream.connection_lost(None)])
def test_after_the_end_nothing_is_usual(end: Callable[[Upstream], None]) -> None:
    upstream = Upstream()
    upstream.connection_made(Transport())  # type: ignore[arg-type]
    upstream.ask(Asker(upstream), b"", b"")
    upstream.shortcut = Hello()
    end(upstream)
    assert upstream.shortcut is None


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=6), st.data())
def test_a_stream_is_the_same_however_it_is_cut(texts: list[bytes], data: st.DataObject) -> None:
    stream = CHUNKED + b"".join(b"%x\r\n%b\r\n" % (len(text), text) for text in texts) + b"0\r\n\r\n"
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    pieces = [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True) if start < end]
    asker = repeated(stream, *pieces)
    assert (asker.whole, asker.body, asker.error) == (True, b"".join(texts), None)
