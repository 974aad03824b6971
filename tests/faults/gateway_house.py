"""A real gateway process for tests, kept by the real link and gatekeeper in this process, before a scripted upstream."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from studio_core import settings
from studio_core.controller.gatekeeper import Gatekeeper
from studio_core.controller.link import GatewayLink
from studio_core.gateway.table import Ask, Cause, Key, Policy, Route, Upstream
from studio_core.paths import Places
from tests.wait import eventually

KEY = "sk-admin-of-the-test"
KEYS = [Key(id="k1", sha256=hashlib.sha256(KEY.encode()).hexdigest(), scopes=["admin"])]
Wire = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Script = Callable[["Asked", asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Asked:
    """One request as the upstream got it."""

    head: bytes
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def event(text: str, finish: str | None = None) -> bytes:
    data = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [
        {"index": 0, "delta": {"role": "assistant", "content": text}, "finish_reason": finish}
    ]}
    return b"data: " + json.dumps(data).encode() + b"\n\n"


USAGE = {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}
STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


# The rest of a stream that ends well.
DONE = chunk(event("z", "stop")) + chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n"


def whole(status: int, body: Any) -> bytes:
    data = json.dumps(body).encode()
    return b"HTTP/1.1 %d X\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (status, len(data), data)


async def chat(asked: Asked, writer: asyncio.StreamWriter) -> None:
    """A well-behaved engine."""
    if not asked.json.get("stream"):
        message = {"role": "assistant", "content": "hello there"}
        writer.write(whole(200, {
            "id": "c1", "object": "chat.completion", "created": 1, "model": "m", "usage": USAGE,
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        }))
        return
    writer.write(STREAM_HEAD)
    for piece in (event("hello "), event("there", "stop")):
        writer.write(chunk(piece))
    if (asked.json.get("stream_options") or {}).get("include_usage"):
        writer.write(chunk(b"data: " + json.dumps({"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m",
                                                   "choices": [], "usage": USAGE}).encode() + b"\n\n"))
    writer.write(chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n")


@dataclass
class Engine:
    """An upstream that does what its script says, and remembers."""

    script: Script = chat
    asked: list[Asked] = field(default_factory=list)
    gone: int = 0
    port: int = 0
    open: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            length = next((int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0)
            asked = Asked(head, await reader.readexactly(length))
            self.asked.append(asked)
            await self._play(asked, reader, writer)
        writer.close()
        self.open -= 1

    async def _play(self, asked: Asked, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """The script, until its end or until the other side closes."""
        playing, leaving = asyncio.ensure_future(self.script(asked, writer)), asyncio.create_task(reader.read())
        await asyncio.wait({playing, leaving}, return_when=asyncio.FIRST_COMPLETED)
        self.gone += leaving.done() or isinstance(playing.exception(), ConnectionError)
        playing.cancel()
        leaving.cancel()
        await asyncio.gather(playing, leaving, return_exceptions=True)
        await writer.drain()


@dataclass
class Gateways:
    """The controller's side: publishes tables by state, and keeps what it is told."""

    places: Places
    port: int
    engine: Engine
    start: str = "s1"
    policy: Policy = field(default_factory=Policy)
    acquired: list[str] = field(default_factory=list)
    version: int = 0
    keepers: list[Gatekeeper] = field(default_factory=list)
    overrides: dict[str, Any] = field(default_factory=dict)
    tls: ssl.SSLContext | None = None

    def __post_init__(self) -> None:
        self._first, self._port, self._past = self.policy, self.engine.port, 0

    async def open(self) -> None:
        """Start as a controller does."""
        self.link = GatewayLink(self.places, self.start, self.keeper(), self._acquired, lambda: None)
        await self.link.start()

    def keeper(self) -> Gatekeeper:
        """One more; all are this process, so they are kept until their children are reaped."""
        found = settings.load({"data_dir": str(self.places.root), "port": self.port, **self.overrides}, environ={})
        self.keepers.append(Gatekeeper(found, self.places))
        return self.keepers[-1]

    async def fresh(self) -> None:
        """As it was when it had just been opened, but for its memory: what an earlier test began is over, and forgotten."""
        self.policy, self.engine.port, self.engine.script = self._first, self._port, chat
        await self.linked()

        async def over() -> bool:
            under_way = sum(told.total for told in await self.link.ask(Ask(number=0)))
            return not (under_way or self.engine.open or body_of(await self.ask(get("/health")))["journal_waiting"])

        await eventually(over, what="what an earlier test began is over")
        self.engine.asked.clear()
        self.acquired.clear()
        self.engine.gone, self._past = 0, len(self._lines())

    async def linked(self, state: str = "ready") -> None:
        self.publish(state)
        await eventually(self._taken, what="a gateway is linked, and has taken this table")

    def _taken(self) -> bool:
        if not self.link.gateway.connected or not self.places.table.exists():
            return False
        return bool(json.loads(self.places.table.read_bytes())["version"] == [self.start, self.version])

    async def close(self, shutdown: bool = True) -> None:
        await self.link.stop(shutdown, deadline_s=2.0)

    def reaped(self) -> bool:
        """Whether no gateway that was started here is left."""
        return all([keeper.reap() for keeper in self.keepers]) and not self.keepers[-1].living()

    async def _acquired(self, recipe: str) -> None:
        self.acquired.append(recipe)

    def publish(self, state: str, model: str = "m", **fields: Any) -> None:
        cause = Cause(title="because", hint="do this")
        route = Route(recipe="tiny", names=["tiny", "Alias"], state=state, cause=cause, **fields)
        if state in ("ready", "draining", "sleeping"):
            route.instance = "tiny-1"
            route.upstream = Upstream(host="127.0.0.1", port=self.engine.port, key="sk-engine", model=model)
        self.version = self.link.publish([route], KEYS, self.policy)

    @property
    def pid(self) -> int:
        pid = self.link.gateway.pid
        assert pid is not None
        return pid

    # Clients.

    async def connect(self) -> Wire:
        name = "localhost" if self.tls else None
        return await asyncio.open_connection("127.0.0.1", self.port, ssl=self.tls, server_hostname=name)

    async def ask(self, data: bytes, patience_s: float = 60.0) -> bytes:
        """All that comes back until the gateway closes."""
        reader, writer = await self.connect()
        try:
            writer.write(data)
            async with asyncio.timeout(patience_s):
                return await reader.read()
        finally:
            writer.close()

    async def chat(self, stream: bool = False, model: str = "tiny", **fields: Any) -> bytes:
        return await self.ask(post({"model": model, "stream": stream, "messages": [], **fields}))

    def journal(self) -> list[dict[str, Any]]:
        """Every line of this test."""
        return self._lines()[self._past :]

    def _lines(self) -> list[dict[str, Any]]:
        segments = sorted(self.places.journal.glob("*.jsonl"))
        return [json.loads(line) for segment in segments for line in segment.read_bytes().rpartition(b"\n")[0].splitlines()]

    async def ended(self, count: int) -> list[dict[str, Any]]:
        """The end lines, as soon as there are so many."""
        def ends() -> list[dict[str, Any]]:
            found = [one for one in self.journal() if one["t"] == "end"]
            return found if len(found) >= count else []

        return await eventually(ends)


def post(body: Any, path: str = "/v1/chat/completions", headers: str = "Connection: close\r\n") -> bytes:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(data)}\r\n{headers}\r\n".encode() + data


def get(path: str, headers: str = "", method: str = "GET") -> bytes:
    return f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n".encode()


def body_of(answer: bytes) -> Any:
    """The JSON of a whole answer with a Content-Length."""
    return json.loads(answer.partition(b"\r\n\r\n")[2])


def unchunked(answer: bytes) -> bytes:
    """The body of a chunked answer; fails when it is not whole."""
    rest, out = answer.partition(b"\r\n\r\n")[2], b""
    while True:
        size, _, rest = rest.partition(b"\r\n")
        count = int(size, 16)
        if not count:
            assert rest == b"\r\n"
            return out
        out, rest = out + rest[:count], rest[count + 2 :]


@contextlib.asynccontextmanager
async def gateways(
    root: Path, port: int, overrides: Mapping[str, Any] | None = None, **policy: Any
) -> AsyncIterator[Gateways]:
    """Linked and ready; afterwards nothing is left."""
    places = Places(root)
    places.create()
    # Nobody may start a controller here: this process is it.
    places.down.touch()
    engine = Engine()
    listener = socket.create_server(("127.0.0.1", 0))
    engine.port = listener.getsockname()[1]
    server = await asyncio.start_server(engine.serve, sock=listener)
    one = Gateways(places, port, engine, policy=Policy(**policy), overrides=dict(overrides or {}))
    try:
        await one.open()
        await one.linked()
        yield one
    finally:
        await one.close()
        await eventually(one.reaped)
        server.close()


# Opens one with the policy that it is given, as a test's fixture.
Start = Callable[..., contextlib.AbstractAsyncContextManager[Gateways]]
