"""`python -m studio_core.bench.floor PORT UPSTREAM`: the least that a relay of this kind costs.

The same loop and entrance, the same parser on both sides, a pool of connections, bytes passed as they come; no key, no model, no
observation, no journal, no limit, no deadline, no error handling. For measuring only.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from typing import Any, cast

import httptools

from studio_core.gateway.entrance import Entrance


class Message:
    """One direction of a connection: told when a message is whole."""

    def __init__(self, parser: Any) -> None:
        self.whole = False
        self._parser = parser(self)

    def feed(self, data: bytes) -> bool:
        self.whole = False
        self._parser.feed_data(data)
        return self.whole

    def on_message_complete(self) -> None:
        self.whole = True


class End(asyncio.Protocol):
    transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)


class Client(End):
    """What it says goes to one engine's connection until the answer is whole."""

    def __init__(self, upstream: int, idle: list[Engine]) -> None:
        self._upstream = upstream
        self._idle = idle
        self._engine: Engine | None = None
        self._message = Message(httptools.HttpRequestParser)
        self._early: list[bytes] = []

    def data_received(self, data: bytes) -> None:
        self._message.feed(data)
        if self._engine is None and self._idle and not self._early:
            self._engine = self._idle.pop()
            self._engine.client = self
        if self._engine is not None:
            self._engine.transport.write(data)
            return
        self._early.append(data)
        if len(self._early) == 1:
            self._task = asyncio.ensure_future(self._connect())

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        _, self._engine = await loop.create_connection(lambda: Engine(self), "127.0.0.1", self._upstream)
        self._engine.transport.writelines(self._early)
        self._early.clear()

    def answered(self, data: bytes, whole: bool) -> None:
        self.transport.write(data)
        if whole and self._engine is not None:
            self._idle.append(self._engine)
            self._engine = None

    def connection_lost(self, exc: Exception | None) -> None:
        if self._engine is not None:
            self._engine.transport.abort()


class Engine(End):
    def __init__(self, client: Client) -> None:
        self.client = client
        self._message = Message(httptools.HttpResponseParser)

    def data_received(self, data: bytes) -> None:
        self.client.answered(data, self._message.feed(data))


async def main(port: int, upstream: int) -> None:
    idle: list[Engine] = []
    listener = socket.create_server(("127.0.0.1", port))
    await Entrance.open(lambda: Client(upstream, idle), listener)
    await asyncio.Event().wait()


if __name__ == "__main__":
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(int(sys.argv[1]), int(sys.argv[2])))
