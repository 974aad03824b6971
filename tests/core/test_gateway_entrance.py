"""A burst of clients is let in at once, and nobody of it has to try again."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvloop

from studio_core.gateway.entrance import Entrance

CROWD = 300
SOMAXCONN = Path("/proc/sys/net/core/somaxconn")


class Guest(asyncio.Protocol):
    def __init__(self, inside: list[Guest]) -> None:
        self._inside = inside

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self._inside.append(self)


@contextlib.contextmanager
def crowd(address: tuple[str, int]) -> Iterator[list[int]]:
    """Clients that connect all at once; for each, whether it is connected without anybody having let it in: 0 then."""
    clients = [socket.socket() for _ in range(CROWD)]
    try:
        for client in clients:
            client.setblocking(False)
            client.connect_ex(address)
        yield [client.connect_ex(address) for client in clients]
    finally:
        for client in clients:
            client.close()


@pytest.mark.skipif(int(SOMAXCONN.read_text()) < CROWD, reason="the kernel keeps fewer waiting")
def test_a_crowd_is_let_in_within_a_few_steps() -> None:
    async def meet() -> int:
        inside: list[Guest] = []
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            entrance = await Entrance.open(lambda: Guest(inside), listener)
            with crowd(listener.getsockname()) as refused:
                assert not any(refused), "whoever finds the queue full tries again a second later"
                steps = 0
                while len(inside) < CROWD:
                    await asyncio.sleep(0)
                    steps += 1
                entrance.close()
                for guest in inside:
                    guest.transport.abort()  # type: ignore[attr-defined]
                await asyncio.sleep(0)
        return steps

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(meet()) < CROWD / 10


def test_a_closed_entrance_lets_nobody_in_and_leaves_the_socket_to_its_owner() -> None:
    async def close() -> list[Guest]:
        inside: list[Guest] = []
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            (await Entrance.open(lambda: Guest(inside), listener)).close()
            with socket.create_connection(listener.getsockname()):
                for _ in range(10):
                    await asyncio.sleep(0)
                assert not inside
                with listener.accept()[0]:
                    return inside

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert not runner.run(close())
