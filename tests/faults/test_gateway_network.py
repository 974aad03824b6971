"""A peer that is gone without a word: its packets are swallowed in a network namespace of its own, or its process is stopped."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults.gateway_house import KEY, STREAM_HEAD, Asked, Gateways, chunk, event, gateways, post
from tests.wait import eventually

# Addresses that RFC 2544 sets apart for tests: nobody else's.
NET = "198.18.{0}.{1}"
NUMBERS = itertools.count()
# The figure: what such a peer holds is free after so long.
FREE_S = 120.0
STALLS = [1.5, pytest.param(90.0, marks=pytest.mark.slow)]
# A client that sends what it was given, says when the answer has begun, and reads for ever.
CLIENT = """
import socket, sys
link = socket.create_connection((sys.argv[1], int(sys.argv[2])))
link.sendall(bytes.fromhex(sys.argv[3]))
print("begun", len(link.recv(65536)), flush=True)
while link.recv(65536): pass
"""


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


@dataclass(frozen=True)
class Cable:
    """A network namespace, and the two ends of the only way to it."""

    space: str
    near: str
    far: str

    def cut(self) -> None:
        """The machine at the other end is gone: nobody answers, and nobody says that nobody does."""
        ip("-n", self.space, "addr", "flush", "dev", f"{self.space}b")


@pytest.fixture
def cable() -> Iterator[Cable]:
    if shutil.which("ip") is None or os.getuid() != 0:
        pytest.skip("network namespaces need root and iproute2")
    # The kernel takes its time to forget the one before.
    number = (os.getpid() + next(NUMBERS)) % 60000
    network = number % 250, number % 60 * 4
    one = Cable(f"st{number}", NET.format(network[0], network[1] + 1), NET.format(network[0], network[1] + 2))
    try:
        ip("netns", "add", one.space)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no network namespace: {error.stderr.decode().strip()}")
    try:
        ip("link", "add", f"{one.space}a", "type", "veth", "peer", "name", f"{one.space}b", "netns", one.space)
        ip("addr", "add", f"{one.near}/30", "dev", f"{one.space}a")
        ip("link", "set", f"{one.space}a", "up")
        ip("-n", one.space, "addr", "add", f"{one.far}/30", "dev", f"{one.space}b")
        ip("-n", one.space, "link", "set", f"{one.space}b", "up")
        yield one
    finally:
        # The way first: a connection that nobody answers keeps the namespace, and its end here, for minutes.
        with contextlib.suppress(subprocess.CalledProcessError):
            ip("link", "del", f"{one.space}a")
        ip("netns", "del", one.space)


@contextlib.asynccontextmanager
async def client(house: Gateways, *before: str, host: str = "127.0.0.1") -> AsyncIterator[asyncio.subprocess.Process]:
    """A process of its own that reads a stream."""
    request = post({"model": "tiny", "stream": True, "messages": []}, headers=f"Authorization: Bearer {KEY}\r\n")
    argv = [*before, sys.executable, "-c", CLIENT, host, str(house.port), request.hex()]
    process = await asyncio.create_subprocess_exec(*argv, stdout=asyncio.subprocess.PIPE)
    try:
        assert process.stdout is not None
        async with asyncio.timeout(60):
            assert (await process.stdout.readline()).startswith(b"begun")
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


async def speaks(asked: Asked, writer: asyncio.StreamWriter) -> None:
    writer.write(STREAM_HEAD)
    while True:
        writer.write(chunk(event("x")))
        await writer.drain()
        await asyncio.sleep(0.1)


async def is_silent(asked: Asked, writer: asyncio.StreamWriter) -> None:
    writer.write(STREAM_HEAD + chunk(event("x")))
    await asyncio.Event().wait()


async def floods(asked: Asked, writer: asyncio.StreamWriter) -> None:
    writer.write(STREAM_HEAD)
    while True:
        writer.write(chunk(event("x" * 30_000)))
        await writer.drain()


async def freed(house: Gateways, stall_s: float) -> None:
    """Not at once, and not later than the figure says: a scaled deadline has its share of it, and a busy machine's time."""
    began = time.monotonic()
    await eventually(lambda: house.engine.gone == 1, stall_s + 30.0, "the engine's work is ended")
    took = time.monotonic() - began
    assert stall_s / 3 < took < stall_s * FREE_S / 90.0 + (0.0 if stall_s == 90.0 else 15.0)
    [end] = await house.ended(1)
    assert (end["status"], end["outcome"]) == (499, "cancelled")
    await eventually(lambda: house.link.inflight.total() == 0)


@pytest.mark.timeout(240)
@pytest.mark.parametrize("stall_s", STALLS)
@pytest.mark.parametrize("script", [speaks, is_silent])
async def test_a_peer_whose_packets_are_swallowed(
    state_dir: Path, free_port: int, cable: Cable, script: object, stall_s: float
) -> None:
    async with gateways(state_dir, free_port, {"host": cable.near}, stall_s=stall_s) as house:
        house.engine.script = script  # type: ignore[assignment]
        async with client(house, "ip", "netns", "exec", cable.space, host=cable.near):
            cable.cut()
            await freed(house, stall_s)


@pytest.mark.timeout(240)
@pytest.mark.parametrize("stall_s", STALLS)
async def test_a_peer_that_is_stopped(state_dir: Path, free_port: int, stall_s: float) -> None:
    async with gateways(state_dir, free_port, stall_s=stall_s) as house:
        house.engine.script = floods
        async with client(house) as process:
            process.send_signal(signal.SIGSTOP)
            await freed(house, stall_s)
