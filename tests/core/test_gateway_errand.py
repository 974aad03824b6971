"""The short way of short requests: what goes out, comes back and is written down is what it would be by the long way."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import socket
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio_core.gateway import register as module
from studio_core.gateway.door import FrontDoor
from studio_core.gateway.engines import Engines
from studio_core.gateway.errand import SHORT_BYTES, Errand
from studio_core.gateway.flight import Cut, Flights
from studio_core.gateway.holding import Cloakroom
from studio_core.gateway.http import Connection
from studio_core.gateway.inference import Exchange
from studio_core.gateway.register import Register
from studio_core.gateway.routing import Routing
from studio_core.gateway.table import Ask, Filters, Key, Route, Table
from studio_core.gateway.table import Upstream as Target
from studio_core.gateway.tally import Tally
from studio_core.gateway.upstream import Upstream
from studio_core.gateway.wheel import Wheel

HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer sk-a\r\nContent-Length: %d\r\n\r\n%b"
WHERE = ("127.0.0.1", 9)
# As many as it takes until the connection knows the head.
LESSONS = 3


class Transport:
    """Keeps what is written, and whether it was cut."""

    def __init__(self, socket: socket.socket | None = None) -> None:
        self.socket = socket
        self.written = b""
        self.closed = False

    def write(self, data: bytes) -> None:
        self.written += data

    def abort(self) -> None:
        self.closed = True

    close = abort

    def is_closing(self) -> bool:
        return self.closed

    def get_extra_info(self, name: str) -> Any:
        return {"peername": ("127.0.0.1", 1), "socket": self.socket}.get(name)

    def can_write_eof(self) -> bool:
        return False

    def set_write_buffer_limits(self, high: int) -> None:
        """It has no buffer."""

    def pause_reading(self) -> None:
        """Reading is the test's."""

    resume_reading = pause_reading


class Paper:
    """A journal that keeps its lines."""

    lost = waiting = 0

    def __init__(self) -> None:
        self.lines: list[Any] = []

    def extend(self, lines: list[Any]) -> None:
        self.lines += lines


class House:
    """A gateway without sockets: one client, and one connection to the engine."""

    def __init__(self, route: Route, *, quick: bool = True) -> None:
        key = Key(id="k1", sha256=hashlib.sha256(b"sk-a").hexdigest(), scopes=["inference", "read"])
        self.routing = Routing(Table(version=("a", 1), routes=[route], keys=[key]), lambda line: None)
        self.paper = Paper()
        self.register = Register(self.paper, Tally(self.routing, self.paper, []))  # type: ignore[arg-type]
        self.engines = Engines(self.routing, self.register, Cloakroom(None))  # type: ignore[arg-type]
        self.door = FrontDoor("w", self.routing, self.engines, None, None, None, bytes)  # type: ignore[arg-type]
        if not quick:
            self.door.errand = lambda request, body, wire: None  # type: ignore[method-assign]
        self.client, self.engine = Transport(), Transport()
        self.connection = Connection(self.door, set(), Wheel())
        self.connection.connection_made(self.client)  # type: ignore[arg-type]
        self.upstream = Upstream()
        self.upstream.connection_made(self.engine)  # type: ignore[arg-type]
        self.upstream.spent = True
        self.engines.pool.give(WHERE, self.upstream)

    def ask(self, body: bytes) -> None:
        self.connection.data_received(HEAD % (len(body), body))

    def say(self, *pieces: bytes) -> None:
        for piece in pieces:
            if not self.engine.closed:
                self.upstream.data_received(piece)

    def learn(self) -> None:
        """Until its connections know the heads."""
        for _ in range(LESSONS):
            self.ask(BODY)
            self.say(ANSWER)

    @property
    def under_way(self) -> Any:
        [one] = self.register.running.values()
        return one

    def told(self) -> list[dict[str, Any]]:
        """The rows that the lines make, without their times."""
        self.register.write()
        ends = [msgspec.to_builtins(line) for line in self.paper.lines if line.__struct_config__.tag == "end"]
        return [{name: value for name, value in end.items() if not name.endswith("_s") and name != "at"} for end in ends]


def route(**changes: Any) -> Route:
    usual = {"names": ["tiny", "alias"], "state": "ready", "instance": "i1", "upstream": Target(host=WHERE[0], port=9)}
    return Route(recipe="tiny", **{**usual, **changes})


def answer(body: bytes, status: bytes = b"200 OK") -> bytes:
    return b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body)


def body(**fields: Any) -> bytes:
    return json.dumps({"model": "tiny", **fields}).encode()


BODY = body()
USAGE = {"prompt_tokens": 7, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 5}}
ANSWER = answer(json.dumps({"choices": [{"finish_reason": "stop"}], "usage": USAGE}).encode())
EVENTS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
STREAM = [EVENTS, b'14\r\ndata: {"choices":[]}\n\r\n', b"1\r\n\n\r\n", b"e\r\ndata: [DONE]\n\n\r\n", b"0\r\n\r\n"]
BODIES = [
    BODY, body(messages=["x" * 100]), body(stream=True), body(stream=False), body(model="ALIAS"), body(model="other"),
    body(model=3), body(model=""), b"{", b"[]", b"", b'{"model": "other", "model": "tiny"}', body(x="y" * SHORT_BYTES),
]
ANSWERS = {
    "usual": [ANSWER], "longer": [answer(json.dumps({"usage": USAGE, "x": "y" * 100}).encode())], "empty": [answer(b"")],
    "refused": [answer(b'{"error": {"message": "no"}}', b"400 Bad Request")], "failed": [answer(b"oops", b"500 Oops")],
    "failed and well": [answer(b'{"error": "out of memory"}')], "no JSON": [answer(b"hello")],
    "odd status": [answer(b"{}", b"299 Fine")],
    "in pieces": [ANSWER[:20], ANSWER[20:-5], ANSWER[-5:]], "long": [answer(b'"' + b"x" * SHORT_BYTES + b'"')], "stream": STREAM,
    "excess": [ANSWER + b"x"], "no HTTP": [b"hello\r\n\r\n"], "torn": [ANSWER[:-3]],
}


class Seen(NamedTuple):
    """All that can be seen from outside."""

    client: bytes
    engine: bytes
    rows: list[dict[str, Any]]
    closed: tuple[bool, bool]


async def settled() -> None:
    """Whoever had to wait has an answer: nobody listens, and there is no such model."""
    await asyncio.gather(*(asyncio.all_tasks() - {asyncio.current_task()}), return_exceptions=True)


async def walk(script: list[tuple[bytes, str]], gone: str, filters: Filters | None, name: str, quick: bool) -> Seen:
    """Each request with its answer; at the end somebody may leave."""
    target = Target(host=WHERE[0], port=9, model=name)
    house = House(route(filters=filters, upstream=target), quick=quick)
    house.learn()
    for asked, said in script:
        if not house.client.closed and not house.engine.closed:
            before = len(house.engine.written)
            house.ask(asked)
            await settled()
            if len(house.engine.written) > before:
                house.say(*ANSWERS[said])
    if gone == "client":
        house.connection.connection_lost(None)
    elif gone == "engine" and not house.engine.closed:
        house.engine.closed = True
        house.upstream.connection_lost(None)
    await settled()
    rows = house.told()
    if gone == "client":
        assert not house.routing.inflight and not house.register.running
    return Seen(house.client.written, house.engine.written, rows, (house.client.closed, house.engine.closed))


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(BODIES), st.sampled_from(sorted(ANSWERS))), max_size=5),
    st.sampled_from(["", "client", "engine"]), st.sampled_from([None, Filters(set={"seed": 1})]),
    st.sampled_from(["", "tiny", "own"]),
)
def test_the_short_way_is_the_long_way(script: list[tuple[bytes, str]], gone: str, filters: Filters | None, name: str) -> None:
    short, long = (asyncio.run(walk(script, gone, filters, name, quick)) for quick in (True, False))
    assert short == long


@pytest.mark.parametrize("asked", [BODY, body(messages=["x" * 1000])])
async def test_the_usual_request_is_an_errand(asked: bytes) -> None:
    house = House(route())
    house.learn()
    house.ask(asked)
    assert isinstance(house.under_way, Errand)
    assert house.routing.inflight == {"i1": 1}
    house.say(ANSWER)
    assert not house.routing.inflight and not house.register.running
    assert house.engines.pool.idle(WHERE) is house.upstream
    row = house.told()[-1]
    assert row == {
        "t": "end", "id": row["id"], "status": 200, "outcome": "ok", "error": None, "recipe": "tiny", "instance": "i1", "key": "k1",
        "path": "/v1/chat/completions", "model": "tiny", "stream": False, "prompt_tokens": 7, "completion_tokens": 3,
        "cached_tokens": 5, "reasoning_tokens": None, "finish": "stop", "chunks": 0,
    }


@contextmanager
def errand(house: House) -> Iterator[Errand]:
    """One under way, which is none any more afterwards, and is counted once all the same."""
    house.learn()
    house.ask(BODY)
    one = house.under_way
    assert isinstance(one, Errand)
    yield one
    assert one.over and one not in house.register.running.values()
    rows = house.told()
    assert len({row["id"] for row in rows}) == len(rows) == LESSONS + 1
    assert not house.routing.inflight


async def test_it_is_shown_and_goes_on() -> None:
    house = House(route())
    with errand(house) as one:
        [shown] = Flights(house.register.running).told(Ask(number=1)).flights
        assert (shown.id, shown.state, shown.model, shown.recipe, shown.key) == (one.id, "prefill", "tiny", "tiny", "k1")
        house.say(ANSWER)
    assert house.client.written.count(b"HTTP/1.1 200 OK") == LESSONS + 1


async def test_a_person_ends_it() -> None:
    house = House(route())
    with errand(house) as one:
        Flights(house.register.running).told(Ask(number=1, cut=one.id))
        assert house.engine.closed, "nothing is generated for nobody"
    assert b"HTTP/1.1 499 " in house.client.written and b"request_cancelled" in house.client.written
    assert (house.told()[-1]["outcome"], house.told()[-1]["status"]) == ("cancelled", Cut("", "").status)


async def test_a_client_that_does_not_read_stops_the_engine_and_one_that_leaves_ends_it() -> None:
    house = House(route())
    stopped: deque[str] = deque()
    house.engine.pause_reading = lambda: stopped.append("stopped")  # type: ignore[method-assign]
    with errand(house):
        house.connection.pause_writing()
        assert stopped
        house.connection.connection_lost(None)
        assert house.engine.closed
    assert house.told()[-1]["outcome"] == "cancelled"


async def test_silence_makes_it_an_exchange_with_a_line_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LATER_S", 0.0)
    house = House(route())
    with errand(house) as one:
        house.connection.late(1e9)
        house.register.write()
        starts = [line for line in house.paper.lines if line.__struct_config__.tag == "start" and line.id == one.id]
        assert [line.recipe for line in starts] == ["tiny"]
        house.say(ANSWER)


async def test_an_engine_that_closed_before_a_byte_came_is_asked_again() -> None:
    """It had served before: the request was not begun."""
    house = House(route())
    house.learn()
    house.ask(BODY)
    house.engine.closed = True
    house.upstream.connection_lost(None)
    assert not isinstance(house.under_way, Errand)
    assert house.under_way.view().state == "prefill"
    house.connection.connection_lost(None)
    assert house.told()[-1]["outcome"] == "cancelled"


async def test_another_table_is_another_decision() -> None:
    """A key that is gone is no key, known head or not; a model that is drained waits."""
    house = House(route())
    house.learn()
    house.routing.take(Table(version=("a", 2), routes=[route()]))
    house.ask(BODY)
    await settled()
    assert b"HTTP/1.1 401 " in house.client.written
    assert not house.register.running


async def test_what_waits_to_be_read_comes_first() -> None:
    """Two requests in one read and one more: in order, and none twice."""
    house = House(route())
    house.learn()
    first, second = body(messages=["first"]), body(messages=["second"])
    house.connection.data_received(HEAD % (len(first), first) + HEAD % (len(second), second))
    house.ask(BODY)
    for _ in range(3):
        house.say(ANSWER)
    asked = re.findall(rb"\r\n\r\n(\{[^\r]*\})", house.engine.written)
    assert asked[LESSONS:] == [first, second, BODY]
    assert house.client.written.count(b"HTTP/1.1 200 OK") == LESSONS + 3


@pytest.mark.parametrize("sent", [b"", HEAD[:20], HEAD % (len(BODY), BODY)])
async def test_what_a_client_has_sent_is_read_when_it_is_let_in(sent: bytes) -> None:
    """All of it, or nothing yet: what follows comes as always."""
    house, whole = House(route()), HEAD % (len(BODY), BODY)
    client, ours = socket.socketpair()
    with client, ours:
        ours.setblocking(False)
        client.sendall(sent)
        transport, connection = Transport(ours), Connection(house.door, set(), Wheel())
        connection.connection_made(transport)  # type: ignore[arg-type]
        if rest := whole[len(sent) :]:
            connection.data_received(rest)
    assert house.engine.written.endswith(BODY)
    house.say(ANSWER)
    assert transport.written.startswith(b"HTTP/1.1 200 OK") and len(house.told()) == 1


async def test_a_client_that_has_left_when_it_is_let_in_is_let_go() -> None:
    house = House(route())
    client, ours = socket.socketpair()
    with ours:
        ours.setblocking(False)
        client.close()
        transport, connection = Transport(ours), Connection(house.door, set(), Wheel())
        connection.connection_made(transport)  # type: ignore[arg-type]
        assert connection.eof_received() is False
        connection.connection_lost(None)
    assert (transport.written, house.register.running) == (b"", {})


async def test_after_a_new_table_a_known_head_takes_the_long_way_once() -> None:
    house = House(route())
    house.learn()
    table = house.routing.table
    house.routing.take(msgspec.structs.replace(table, version=("a", 2)))
    ways = []
    for _ in range(2):
        house.ask(BODY)
        ways.append(type(house.under_way))
        house.say(ANSWER)
    assert ways == [Exchange, Errand]
