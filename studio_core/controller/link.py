"""The controller's end of the link: tells every gateway the table, hears what is in flight, and knows when a drain is done."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import socket
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from studio_core import wire
from studio_core.controller.gatekeeper import Gatekeeper
from studio_core.gateway.table import (
    Acquire,
    Ask,
    Counts,
    Drained,
    FromGateway,
    Hello,
    Key,
    Policy,
    Push,
    Retire,
    Route,
    Table,
    Taken,
    Told,
)
from studio_core.paths import Places, listen, peer_uid
from studio_core.supervisor import identity
from studio_core.supervisor.bell import Bell

LINE_BYTES = 1024 * 1024
HELLO_S = 5.0
ANSWER_S = 2.0

_lines = msgspec.json.Decoder(FromGateway)


@dataclass(eq=False)
class Peer:
    """One gateway process, as long as it is alive by its identity; `writer` is None while it is not connected.

    One that retired, or was told to, does not accept any more.
    """

    hello: Hello
    writer: asyncio.StreamWriter | None
    counts: Counts = field(default_factory=lambda: Counts(inflight={}, waiting={}))
    counted: bool = False
    drained: dict[str, tuple[str, int]] = field(default_factory=dict)
    taken: tuple[str, int] = ("", 0)
    accepts: bool = True

    @property
    def alive(self) -> bool:
        return identity.alive(self.hello.pid, self.hello.ticks)


class GatewayLink:
    """Listens on link.sock. `on_acquire(recipe)` is told of requests that wait, `on_change()` of new figures."""

    def __init__(
        self, places: Places, start_id: str, gatekeeper: Gatekeeper,
        on_acquire: Callable[[str], Awaitable[None]], on_change: Callable[[], None],
    ) -> None:
        self._places = places
        self._start_id = start_id
        self._gatekeeper = gatekeeper
        self._on_acquire = on_acquire
        self._on_change = on_change
        self._table = Table(version=(start_id, 0))
        self._peers: dict[str, Peer] = {}
        self._bell = Bell()
        self._numbers = itertools.count(1)
        self._answers: dict[int, list[Told]] = {}
        self._server: socket.socket | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen, take over a gateway that lives, or start one."""
        self._server = listen(self._places.link_socket)
        self._server.setblocking(False)
        self._spawn(self._accept(self._server))
        await self._gatekeeper.start()

    async def stop(self, shutdown: bool, deadline_s: float = 10.0) -> None:
        """Stop listening. With `shutdown` the gateways retire, and what they still have in flight gets `deadline_s`."""
        await self._gatekeeper.stop(shutdown)
        if shutdown:
            for peer in self._peers.values():
                _send(peer, Retire(deadline_s=deadline_s))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(deadline_s + 2.0):
                    while any(peer.alive for peer in self._peers.values()):  # noqa: ASYNC110 - death rings no bell
                        await asyncio.sleep(0.02)
            self._gatekeeper.reap()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._server is not None:
            self._server.close()

    # What the controller says.

    def publish(self, routes: list[Route], keys: list[Key], policy: Policy) -> int:
        """Push the table to every gateway if it is another than the last; returns its counter."""
        last = self._table
        if last.version[1] and (last.routes, last.keys, last.policy) == (routes, keys, policy):
            return last.version[1]
        counter = self._table.version[1] + 1
        self._table = Table(version=(self._start_id, counter), routes=routes, keys=keys, policy=policy)
        for peer in self._peers.values():
            _send(peer, Push(table=self._table))
        return counter

    async def ask(self, line: Ask) -> list[Told]:
        """What every gateway that is connected says to it, of those that answer soon; its number is given here."""
        number, asked = next(self._numbers), self._connected()
        answers = self._answers[number] = []
        for peer in asked:
            _send(peer, msgspec.structs.replace(line, number=number))
        try:
            async with asyncio.timeout(ANSWER_S):
                await self._bell.until(lambda: len(answers) >= sum(peer.writer is not None for peer in asked))
        except TimeoutError:
            pass
        finally:
            del self._answers[number]
        return answers

    async def taken(self, version: int, timeout: float) -> bool:
        """Whether, within `timeout`, every gateway that is connected routes by this version of the table or a newer one."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._bell.until(lambda: self._all_taken(version))
        return self._all_taken(version)

    def _all_taken(self, version: int) -> bool:
        return all(peer.taken[0] == self._start_id and peer.taken[1] >= version for peer in self._connected())

    async def drained(self, instance: str, version: int, timeout: float) -> bool:
        """Whether, within `timeout`, every gateway has acked on a live connection (or is dead by identity)."""
        try:
            async with asyncio.timeout(max(timeout, 0.001)):
                while not self._all_drained(instance, version):
                    # Death is not told by anybody: look again now and then.
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(0.2):
                            await self._bell.until(lambda: self._all_drained(instance, version))
        except TimeoutError:
            return False
        return True

    def _all_drained(self, instance: str, version: int) -> bool:
        """A gateway that lives but has not said hello, or not yet again, may have requests in flight too."""
        living = self._gatekeeper.living() | {name for name, peer in self._peers.items() if peer.alive}
        return all(name in self._peers and self._acked(self._peers[name], instance, version) for name in living)

    def _acked(self, peer: Peer, instance: str, version: int) -> bool:
        start, counter = peer.drained.get(instance, ("", 0))
        return peer.writer is not None and start == self._start_id and counter >= version

    # What the gateways say.

    @property
    def inflight(self) -> Counter[str]:
        """Requests in flight per instance, over all gateways."""
        total: Counter[str] = Counter()
        for peer in self._connected():
            total.update(peer.counts.inflight)
        return total

    @property
    def waiting(self) -> Counter[str]:
        """Requests that wait per recipe, over all gateways."""
        total: Counter[str] = Counter()
        for peer in self._connected():
            total.update(peer.counts.waiting)
        return total

    @property
    def entered(self) -> Counter[str]:
        """Requests let in so far per instance, over the gateways that are connected."""
        total: Counter[str] = Counter()
        for peer in self._connected():
            total.update(peer.counts.entered)
        return total

    @property
    def counted(self) -> bool:
        """Whether the gateway that accepts, and every other one that is connected, has told its counts."""
        peers = self._connected()
        return any(peer.accepts for peer in peers) and all(peer.counted for peer in peers)

    @property
    def gateway(self) -> wire.Gateway:
        """The gateway that accepts, as the status shows it."""
        peers = [peer for peer in self._connected() if peer.accepts]
        host, port = self._gatekeeper.address
        tls = self._gatekeeper.tls
        if not peers:
            return wire.Gateway(pid=self._gatekeeper.pid, host=host, port=port, tls=tls)
        hello = peers[-1].hello
        return wire.Gateway(
            pid=hello.pid, version=hello.version, started_at=hello.started_at, host=host, port=port, tls=tls, connected=True,
            inflight=self.inflight.total(), waiting=self.waiting.total(),
        )

    def _connected(self) -> list[Peer]:
        return [peer for peer in self._peers.values() if peer.writer is not None]

    async def _accept(self, server: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            link, _ = await loop.sock_accept(server)
            self._spawn(self._serve(link))

    async def _serve(self, link: socket.socket) -> None:
        greeting = await asyncio.to_thread(_hello, link) if peer_uid(link) == os.getuid() else None
        if greeting is None:
            link.close()
            return
        hello, listener = greeting
        link.setblocking(False)
        reader, writer = await asyncio.open_unix_connection(sock=link, limit=LINE_BYTES)
        peer = Peer(hello, writer)
        self._peers = {name: one for name, one in self._peers.items() if one.alive}
        self._peers[hello.gateway] = peer
        try:
            serves = peer.accepts = self._gatekeeper.welcome(hello, listener)
            # Before the first publication nothing is known, which is not the same as no models.
            if self._table.version[1]:
                _send(peer, Push(table=self._table))
            if not serves:
                _send(peer, Retire(deadline_s=3600.0))
            self._on_change()
            while line := await reader.readline():
                await self._take(peer, _lines.decode(line))
        except (OSError, msgspec.DecodeError, ValueError):
            pass
        finally:
            peer.writer = None
            writer.close()
            self._bell.ring()
            self._on_change()

    async def _take(self, peer: Peer, line: FromGateway) -> None:
        if isinstance(line, Acquire):
            # Its counts come later, and whoever is asked for it looks at them first.
            peer.counts.waiting[line.recipe] = line.waiting
            self._spawn(self._acquire(line.recipe))
        elif isinstance(line, Drained):
            peer.drained[line.instance] = line.version
            self._bell.ring()
        elif isinstance(line, Taken):
            peer.taken = line.version
            self._bell.ring()
        elif isinstance(line, Told):
            if line.number in self._answers:
                self._answers[line.number].append(line)
                self._bell.ring()
        elif isinstance(line, Counts):
            peer.counts, peer.counted = line, True
            self._on_change()

    async def _acquire(self, recipe: str) -> None:
        await self._on_acquire(recipe)

    def _spawn(self, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _send(peer: Peer, line: Any) -> None:
    if peer.writer is not None:
        peer.writer.write(msgspec.json.encode(line) + b"\n")


def _hello(link: socket.socket) -> tuple[Hello, socket.socket | None] | None:
    """The first line and the listening socket that travels with it. None when the peer says something else."""
    link.settimeout(HELLO_S)
    data, found = b"", []
    try:
        while not data.endswith(b"\n"):
            more, handles, _, _ = socket.recv_fds(link, LINE_BYTES, 4)
            if not more:
                return None
            data += more
            found += handles
        line = _lines.decode(data)
    except (OSError, msgspec.DecodeError):
        return None
    if not isinstance(line, Hello):
        return None
    return line, socket.socket(fileno=found[0]) if found else None
