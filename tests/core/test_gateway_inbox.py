"""Bytes become requests, whatever the split; what is not plain HTTP/1.1 within limits is refused, and is the last."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio_core.errors import NoKey, StudioError
from studio_core.gateway.inbox import HEADER_BYTES, HEADER_COUNT, URL_BYTES, Inbox
from studio_core.gateway.known import PEERS, Heads, KnownRequest
from studio_core.gateway.request import Request, Serve
from studio_core.gateway.responder import Responder, Wire
from studio_core.gateway.table import Policy

LIMIT = 1000


@dataclass
class Porter:
    """Lets everybody in but who has no `key` header, and keeps who was refused with what."""

    strict: bool = False
    body_limit: int = LIMIT
    policy: Policy = field(default_factory=Policy)
    refused: list[StudioError] = field(default_factory=list)
    heads: Heads = field(default_factory=Heads)

    def admit(self, request: Request) -> Serve:
        if self.strict and request.header(b"key") is None:
            raise NoKey("a key is needed")

        async def serve(request: Request, responder: Responder) -> None:
            return None

        return serve

    def errand(self, request: Request, body: bytes, wire: Wire) -> None:
        """Nothing is on its way at once."""

    def common(self, request: Request) -> bytes:
        return b""

    def refuse(self, request: Request, responder: Responder, error: StudioError) -> None:
        self.refused.append(error)


def read(*pieces: bytes, porter: Porter | None = None) -> Inbox:
    inbox = Inbox(porter or Porter(), "127.0.0.1")
    for piece in pieces:
        inbox.feed(piece)
    return inbox


async def refusal(inbox: Inbox, porter: Porter) -> int:
    """The status with which the last request is refused; 0 when it is served."""
    request = inbox.ready[-1]
    assert request.serve is not None
    await request.serve(request, None)  # type: ignore[arg-type, misc]
    return porter.refused[-1].status if porter.refused else 0


GET = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST /v1/x?a=b HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = (
    b"POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"3\r\nabc\r\n2;e=1\r\nde\r\n0\r\nkey: forged\r\n\r\n"
)
# What Java's own client sends to every server.
JAVA = (
    b"POST /j HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nHTTP2-Settings: AAA\r\nConnection: Upgrade, HTTP2-Settings\r\n"
    b"Content-Length: 2\r\n\r\nhi"
)


@given(st.lists(st.sampled_from([GET, POST, CHUNKED, JAVA]), min_size=1, max_size=4), st.data())
def test_any_split_gives_the_same_requests(parts: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(parts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    pieces = [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    inbox = read(*pieces)
    seen = [(request.method, request.path, request.body) for request in inbox.ready]
    wanted = {
        GET: ("GET", "/health", b""), POST: ("POST", "/v1/x", b"hello"), CHUNKED: ("POST", "/c", b"abcde"),
        JAVA: ("POST", "/j", b"hi"),
    }
    assert seen == [wanted[part] for part in parts]
    assert not inbox.dead
    assert all(request.header(b"key") is None for request in inbox.ready), "a trailer is not a header"


AGAIN = b"POST /v1/x?a=b HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b"


@given(st.lists(st.sampled_from([GET, POST, CHUNKED, JAVA, AGAIN % (3, b"abc"), AGAIN % (0, b"")]), min_size=2, max_size=12))
def test_a_head_that_comes_again_makes_the_same_request(parts: list[bytes]) -> None:
    """One read each, as clients do that wait for their answers: some of these are not parsed any more."""
    parsed, inbox = read(b"".join(parts)), read(*parts)
    seen, wanted = ([(one.method, one.target, one.version, one.keep_alive, one.body, one.shown) for one in box.ready]
                    for box in (inbox, parsed))
    assert seen == wanted
    assert len(seen) == len(parts)


@pytest.mark.parametrize("odd", [
    AGAIN % (9, b"abc"), AGAIN % (2, b"abc") + GET[:5], AGAIN.replace(b"%d", b"+%d") % (3, b"abc"),
    AGAIN.replace(b"%d", b"%d ") % (3, b"abc"), AGAIN.replace(b"Host: x", b"Host: y") % (3, b"abc"),
    AGAIN.replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n") % (3, b"abc"), AGAIN % (LIMIT + 1, b""),
    AGAIN.replace(b"%d", b"%d\r\nContent-Length: 3") % (3, b"abc"),
])
async def test_what_only_looks_like_the_last_head_is_parsed(odd: bytes) -> None:
    """It is what it would be on a fresh connection."""
    porter, other = Porter(), Porter()
    fresh, used = read(odd, porter=porter), read(*[AGAIN % (3, b"abc")] * 4, odd, porter=other)
    assert [one.body for one in used.ready][:4] == [b"abc"] * 4
    assert [(one.target, one.body, one.keep_alive) for one in list(used.ready)[4:]] == [
        (one.target, one.body, one.keep_alive) for one in fresh.ready
    ]
    assert used.dead == fresh.dead
    if fresh.ready:
        assert await refusal(used, other) == await refusal(fresh, porter) if fresh.dead else True


def test_a_body_is_never_taken_for_a_head() -> None:
    trick = AGAIN % (3, b"abc")
    inbox = read(POST, AGAIN % (len(trick), b""), trick, AGAIN % (3, b"xyz"), trick)
    assert [one.body for one in inbox.ready] == [b"hello", trick, b"xyz", b"abc"]


def test_a_known_head_is_admitted_anew() -> None:
    porter = Porter()
    inbox = read(*[AGAIN % (3, b"abc")] * 4, porter=porter)
    porter.strict = True
    inbox.feed(AGAIN % (3, b"abc"))
    assert inbox.dead, "it has no key, and a key is needed by now"


HEAD = b"POST /a HTTP/1.1\r\nHost: x\r\n"
SMUGGLED = {
    "length and encoding": HEAD + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "encoding and length": HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
    "two lengths": HEAD + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    "two equal lengths": HEAD + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
    "a list of lengths": HEAD + b"Content-Length: 3, 3\r\n\r\nabc",
    "signed length": HEAD + b"Content-Length: +3\r\n\r\nabc",
    "empty length": HEAD + b"Content-Length: \r\n\r\n",
    "space before the colon": HEAD + b"Content-Length : 3\r\n\r\nabc",
    "bare LF": b"GET / HTTP/1.1\nHost: x\n\n",
    "bare LF after a header": b"GET / HTTP/1.1\r\nHost: x\n\r\n",
    "bare CR in a value": HEAD + b"A: b\rc\r\n\r\n",
    "folded header": HEAD + b"A: b\r\n c\r\n\r\n",
    "NUL in a value": HEAD + b"A: b\0c\r\n\r\n",
    "no name": HEAD + b": x\r\n\r\n",
    "two encodings": HEAD + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "encoding in 1.0": b"POST /a HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunk size with 0x": HEAD + b"Transfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n",
    "chunk longer than its size": HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n",
    "chunk ended by LF": HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n",
    "a path in Host": b"GET / HTTP/1.1\r\nHost: x/y\r\n\r\n",
    "a user in Host": b"GET / HTTP/1.1\r\nHost: a@x\r\n\r\n",
    "a query in Host": b"GET / HTTP/1.1\r\nHost: x?y\r\n\r\n",
    "a fragment in Host": b"GET / HTTP/1.1\r\nHost: x#y\r\n\r\n",
    "a backslash in Host": b"GET / HTTP/1.1\r\nHost: x\\y\r\n\r\n",
    "two words in Host": b"GET / HTTP/1.1\r\nHost: x y\r\n\r\n",
    "a word for a port": b"GET / HTTP/1.1\r\nHost: x:http\r\n\r\n",
    "a target that is no path": b"GET status HTTP/1.1\r\nHost: x\r\n\r\n",
    "a target without a host": b"GET http:///status HTTP/1.1\r\nHost: x\r\n\r\n",
    "a user in the target": b"GET http://a@x/status HTTP/1.1\r\nHost: x\r\n\r\n",
    "another scheme": b"GET file:///etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n",
    "a star that is not of OPTIONS": b"GET * HTTP/1.1\r\nHost: x\r\n\r\n",
    "no Host": b"GET / HTTP/1.1\r\n\r\n",
    "two Hosts": b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "WebSocket": b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    "CONNECT": b"CONNECT a:1 HTTP/1.1\r\nHost: x\r\n\r\n",
}
OTHER = {
    "unknown encoding": (501, HEAD + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
    "gzip then chunked": (501, HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    "HTTP/2.0": (505, b"GET / HTTP/2.0\r\nHost: x\r\n\r\n"),
    "HTTP/0.9": (505, b"GET /\r\n\r\n"),
    "long URL": (414, b"GET /" + b"a" * URL_BYTES + b" HTTP/1.1\r\nHost: x\r\n\r\n"),
    "large header": (431, HEAD + b"A: " + b"a" * HEADER_BYTES + b"\r\n\r\n"),
    "header without end": (431, HEAD + b"A: " + b"a" * (HEADER_BYTES + URL_BYTES)),
    "many headers": (431, HEAD + b"A: b\r\n" * HEADER_COUNT + b"\r\n"),
    "trailers without an end": (431, HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n" + b"A: b\r\n" * 30_000),
    "a trailer without an end": (431, HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\nA: " + b"b" * 150_000),
    "an extension without an end": (431, HEAD + b"Transfer-Encoding: chunked\r\n\r\n1;" + b"b" * 150_000),
    "declared too large": (413, HEAD + b"Content-Length: %d\r\n\r\n" % (LIMIT + 1)),
    "grown too large": (413, HEAD + b"Transfer-Encoding: chunked\r\n\r\n400\r\n" + b"a" * 1024 + b"\r\n"),
}
REFUSED = {**{name: (400, data) for name, data in SMUGGLED.items()}, **OTHER}


@pytest.mark.parametrize("step", [1, 7, 10**6])
@pytest.mark.parametrize("name", REFUSED)
async def test_what_is_not_plain_is_refused_and_is_the_last(name: str, step: int) -> None:
    status, data = REFUSED[name]
    porter = Porter()
    inbox = read(*(data[at : at + step] for at in range(0, len(data), step)), GET, porter=porter)
    assert len(inbox.ready) == 1
    assert inbox.dead
    assert not inbox.ready[0].keep_alive
    assert await refusal(inbox, porter) == status


@pytest.mark.parametrize("name", SMUGGLED)
async def test_the_request_before_a_bad_one_is_served(name: str) -> None:
    porter = Porter()
    inbox = read(GET + SMUGGLED[name], porter=porter)
    assert inbox.ready[0].path == "/health"
    assert inbox.ready[0].keep_alive
    assert await refusal(inbox, porter) == 400


async def test_a_stranger_is_refused_before_his_body_comes() -> None:
    porter = Porter(strict=True)
    inbox = read(HEAD + b"Expect: 100-continue\r\nContent-Length: 900\r\n\r\n", porter=porter)
    assert not inbox.expects
    assert await refusal(inbox, porter) == 401
    assert inbox.dead


async def test_a_stranger_without_a_body_may_ask_again() -> None:
    porter = Porter(strict=True)
    inbox = read(GET, GET, porter=porter)
    assert [request.keep_alive for request in inbox.ready] == [True, True]
    assert await refusal(inbox, porter) == 401


def test_a_welcome_client_is_told_to_go_on() -> None:
    inbox = read(HEAD + b"Expect: 100-Continue\r\nContent-Length: 5\r\n\r\n")
    assert inbox.expects
    inbox.feed(b"hello")
    assert not inbox.expects
    assert inbox.ready[0].body == b"hello"


def test_the_last_request_is_the_last_by_its_own_word() -> None:
    inbox = read(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" + GET)
    assert len(inbox.ready) == 1
    assert inbox.dead


def test_http_1_0_needs_no_host_and_closes() -> None:
    inbox = read(b"GET / HTTP/1.0\r\n\r\n")
    assert inbox.ready[0].version == "1.0"
    assert not inbox.ready[0].keep_alive


@pytest.mark.parametrize(("target", "path", "host"), [
    (b"http://studio:8080/v1/models?a=b", "/v1/models", "studio:8080"), (b"HTTPS://[::1]/x", "/x", "[::1]"),
    (b"http://studio", "/", "studio"), (b"http://studio?a", "/", "studio"),
])
def test_an_absolute_target_is_its_path_and_its_own_host(target: bytes, path: str, host: str) -> None:
    request = read(b"GET " + target + b" HTTP/1.1\r\nHost: forged\r\n\r\n").ready[0]
    assert (request.path, request.header(b"host")) == (path, host)
    assert [name for name, _ in request.headers].count(b"host") == 1


def test_chunks_of_one_byte_are_no_attack() -> None:
    data = HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\na\r\n" * (LIMIT - 1) + b"0\r\n\r\n"
    inbox = read(*(data[at : at + 100] for at in range(0, len(data), 100)))
    assert len(inbox.ready[0].body) == LIMIT - 1 and not inbox.dead


class Quick:
    """What is asked about known heads, and takes none."""

    def __init__(self) -> None:
        self.asked: list[tuple[bytes, bytes]] = []

    def __call__(self, request: Request, body: bytes) -> bool:
        self.asked.append((request.target, body))
        return False


def test_a_peer_s_next_connection_begins_with_what_is_known() -> None:
    porter, quick = Porter(), Quick()
    read(AGAIN % (3, b"abc"), porter=porter)
    for peer in ("127.0.0.1", "127.0.0.2"):
        inbox = Inbox(porter, peer, quick)
        inbox.feed(AGAIN % (4, b"efgh"))
        assert [(one.target, one.body, one.id) for one in inbox.ready] == [(b"/v1/x?a=b", b"efgh", "")]
    assert quick.asked == [(b"/v1/x?a=b", b"efgh")], "another peer is another matter"


def test_what_is_known_of_a_peer_is_admitted_anew() -> None:
    porter = Porter()
    read(AGAIN % (3, b"abc"), porter=porter)
    porter.strict = True
    assert read(AGAIN % (3, b"abc"), porter=porter).dead, "it has no key, and a key is needed by now"


def test_the_heads_of_so_many_peers_are_kept() -> None:
    heads = Heads()
    known = KnownRequest.learn(AGAIN % (3, b"abc"), read(AGAIN % (3, b"abc")).ready[0])
    assert known is not None
    for number in range(PEERS + 2):
        heads.keep(str(number), known)
        heads.keep(str(number), known)
    assert [heads.of(str(number)) for number in (0, 1)] == [None, None]
    assert heads.of("2") is heads.of(str(PEERS + 1)) is known
