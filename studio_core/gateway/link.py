"""The gateway's end of the link: dials the controller, takes tables, tells what happens; revives a dead controller."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import msgspec

from studio_core.gateway.routing import Routing
from studio_core.gateway.shelf import Shelf
from studio_core.gateway.table import Ask, FromController, Hello, Retire, Taken, Told
from studio_core.paths import Places, connect, daemon_environment

REDIAL_S = 0.1
# Without a controller for this long, one is started; the pause doubles while that does not help.
REVIVE_S, REVIVE_MAX_S = 1.0, 60.0
COUNTS_S = 0.25
LINE_BYTES = 64 * 1024 * 1024

log = logging.getLogger(__name__)
_lines = msgspec.json.Decoder(FromController)


class Link:
    """Runs for the life of the gateway. `retire(deadline)` is called when the controller says so, `told` answers what it asks."""

    def __init__(
        self, places: Places, shelf: Shelf, hello: Hello, listener: socket.socket, retire: Callable[[float], None]
    ) -> None:
        self.routing: Routing | None = None
        self.told: Callable[[Ask], Told] = lambda asked: Told(number=asked.number, flights=[], total=0)
        self.retired = False
        self._places = places
        self._shelf = shelf
        self._hello = hello
        self._listener = listener
        self._retire = retire
        self._writer: asyncio.StreamWriter | None = None
        self._met = False

    def tell(self, line: Any) -> None:
        """Send a line, if the controller is there."""
        if self._writer is not None:
            self._writer.write(msgspec.json.encode(line) + b"\n")

    async def run(self) -> None:
        lost_at, gap = time.monotonic(), REVIVE_S
        begun: subprocess.Popen[bytes] | None = None
        while True:
            with contextlib.suppress(OSError):
                await self._attend()
            if self._met:
                self._met, lost_at, gap = False, time.monotonic(), REVIVE_S
            # One that still begins is not hurried by another: on a busy machine they would take the time from each other.
            if time.monotonic() - lost_at > gap and (begun is None or begun.poll() is not None) and not self._places.down.exists():
                begun = await asyncio.to_thread(revive, self._places)
                lost_at, gap = time.monotonic(), min(gap * 2, REVIVE_MAX_S)
            await asyncio.sleep(REDIAL_S)

    async def _attend(self) -> None:
        """One connection, from hello to its end."""
        routing = self.routing
        assert routing is not None
        # Without a timeout: a local socket answers at once, or says that its queue is full.
        link = connect(self._places.link_socket, timeout=0.0)
        try:
            self._greet(link)
        except OSError:
            link.close()
            raise
        reader, writer = await asyncio.open_unix_connection(sock=link, limit=LINE_BYTES)
        counting = asyncio.create_task(self._count(routing))
        try:
            while line := await reader.readline():
                self._writer, self._met = writer, True
                self._hear(line, routing)
        except ValueError as error:
            log.error("the controller's line is longer than %d bytes: %s", LINE_BYTES, error)
        finally:
            self._writer = None
            self._shelf.flush()
            counting.cancel()
            writer.close()
            routing.lost()

    def _greet(self, link: socket.socket) -> None:
        """Who has retired has no listening socket any more: he goes on dialling, because drains wait for what he still answers."""
        hello = msgspec.json.encode(msgspec.structs.replace(self._hello, retired=self.retired)) + b"\n"
        if self.retired:
            link.sendall(hello)
        else:
            socket.send_fds(link, [hello], [self._listener.fileno()])

    def _hear(self, line: bytes, routing: Routing) -> None:
        """A line that a newer controller may say and we do not know is left alone."""
        try:
            self._take(_lines.decode(line), routing)
        except msgspec.DecodeError as error:
            log.warning("a line of the controller was not understood: %s", error)

    def _take(self, line: FromController, routing: Routing) -> None:
        if isinstance(line, Retire):
            self._retire(line.deadline_s)
        elif isinstance(line, Ask):
            self.tell(self.told(line))
        else:
            routing.take(line.table)
            self._shelf.put(line.table)
            self.tell(Taken(version=line.table.version))
            routing.stir()

    async def _count(self, routing: Routing) -> None:
        while True:
            await routing.news()
            self.tell(routing.counts())
            await asyncio.sleep(COUNTS_S)


def revive(places: Places) -> subprocess.Popen[bytes] | None:
    """Start a controller as the last one was started; its lock lets only one win. None: it could not be, as the log says."""
    argv = [sys.executable, "-m", "studio_core.controller", "--state", str(places.root), "--revived"]
    with contextlib.suppress(OSError, ValueError, KeyError):
        argv = json.loads(places.controller_json.read_text(encoding="utf-8"))["argv"]
    log = os.open(places.logs / "controller.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd="/",
                                env=daemon_environment())
    except OSError as error:
        os.write(log, f"the gateway could not start a controller: {error}\n".encode())
        return None
    finally:
        os.close(log)
