"""`python -m studio_core.gateway --state DIR --listen-fd N`: the only TCP listener, alive without a controller too."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import ctypes
import gc
import logging
import os
import resource
import secrets
import signal
import socket
import sys
from datetime import UTC, datetime
from pathlib import Path

from studio_core import __version__
from studio_core.errors import BadSetting
from studio_core.gateway.answer import LocalAnswer
from studio_core.gateway.control import Control
from studio_core.gateway.door import FrontDoor
from studio_core.gateway.engines import Engines
from studio_core.gateway.entrance import Entrance
from studio_core.gateway.flight import Flights
from studio_core.gateway.holding import Cloakroom
from studio_core.gateway.http import Connection
from studio_core.gateway.journal import Journal
from studio_core.gateway.ledger import Ledger
from studio_core.gateway.link import Link
from studio_core.gateway.passage import Passage
from studio_core.gateway.register import Register
from studio_core.gateway.routing import Routing
from studio_core.gateway.shelf import Shelf
from studio_core.gateway.table import Hello, Policy
from studio_core.gateway.tally import Tally
from studio_core.gateway.tls import Certificate
from studio_core.gateway.wheel import Wheel
from studio_core.paths import Places
from studio_core.supervisor import identity, scope

# A retiring gateway gives its streams at most this long.
RETIRE_S = 3600.0
# So many open files are enough.
FILES = 65_536
COLLECT = (20_000, 20, 20)
SWITCH_S = 0.001
# glibc's mallopt(3): M_MMAP_THRESHOLD, M_TRIM_THRESHOLD, in bytes.
MALLOC = {-3: 32 * 1024 * 1024, -1: 64 * 1024 * 1024}


class Gateway:
    """Composes the parts and runs until it is retired and its last request has ended."""

    def __init__(self, places: Places, listener: socket.socket, config: str, certificate: Certificate | None = None) -> None:
        self._certificate = certificate
        self._listener = listener
        self._open: set[Connection] = set()
        self._wheel = Wheel()
        self._retired = asyncio.Event()
        self._deadline_s = RETIRE_S
        writer = secrets.token_hex(4)
        host, port = listener.getsockname()[:2]
        hello = Hello(
            gateway=writer, pid=os.getpid(), ticks=identity.ticks(os.getpid()) or 0, version=__version__, config=config,
            host=host, port=port, started_at=datetime.now(UTC).isoformat(),
        )
        shelf = Shelf(places)
        self._link = Link(places, shelf, hello, listener, self.retire)
        self._routing = self._link.routing = Routing(shelf.read(), self._link.tell, self._tune)
        self._journal = Journal(places.journal, writer)
        tally = Tally(self._routing, self._journal, self._open)
        register = Register(self._journal, tally)
        self._ledger = Ledger(places.journal, writer, tally, register.write)
        engines = Engines(self._routing, register, Cloakroom(places.root))
        self._link.told = Flights(register.running).told
        passage = Passage(self._routing, register)
        local = LocalAnswer(self._routing, hello, register, certificate)
        self._door = FrontDoor(writer, self._routing, engines, passage, Control(places.gateway_socket), local, self._ledger.text)

    def _tune(self, policy: Policy) -> None:
        """What holds for whoever connects from now on: a client that is gone without a word, or takes nothing, is cut."""
        if self._retired.is_set():
            return
        for level, option, value in (
            (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
            (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, max(1, round(policy.stall_s / 3))),
            (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, max(1, round(policy.stall_s / 9))),
            (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(policy.stall_s * 1000)),
        ):
            self._listener.setsockopt(level, option, value)

    def retire(self, deadline_s: float = RETIRE_S) -> None:
        self._deadline_s, self._link.retired = deadline_s, True
        self._retired.set()

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.retire, 30.0)
        context = self._certificate.context if self._certificate is not None else None
        entrance = await Entrance.open(self._connection, self._listener, context)
        tasks = [asyncio.create_task(self._link.run())]
        if self._certificate is not None:
            tasks.append(asyncio.create_task(self._certificate.watch()))
        await self._retired.wait()
        # Both: whoever is left with an open socket would hold the port, and let nobody in.
        entrance.close()
        self._listener.close()
        self._ledger.keep()
        for connection in tuple(self._open):
            connection.retire()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._deadline_s):
                while self._open:
                    await asyncio.sleep(0.05)
                    self._ledger.renew()
        await asyncio.gather(*(connection.abandon() for connection in tuple(self._open)))
        for task in tasks:
            task.cancel()
        self._ledger.keep()
        self._journal.close()

    def _connection(self) -> Connection:
        return Connection(self._door, self._open, self._wheel)


def main() -> None:
    parser = argparse.ArgumentParser(prog="studio_core.gateway")
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--listen-fd", type=int, required=True)
    parser.add_argument("--config", default="")
    parser.add_argument("--tls", nargs=2, type=Path, metavar=("CERT", "KEY"))
    options = parser.parse_args()
    os.umask(0o077)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    scope.enter(f"studio-gateway-{os.getpid()}")
    try:
        certificate = Certificate(*options.tls) if options.tls else None
    except BadSetting as error:
        # Never without it: whoever keeps us tries again, and takes what is there by then.
        sys.exit(error.line())
    listener = socket.socket(fileno=options.listen_fd)
    with contextlib.suppress(ImportError):
        import uvloop

        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    settle()
    raise_file_limit()
    asyncio.run(run(Places(options.state), listener, options.config, certificate))


def settle() -> None:
    """For a long life of short-lived objects: what was imported is looked at no more, and the rest less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT)
    # The journal's thread encodes some hundred lines in one go: its turn shall not be much longer than that.
    sys.setswitchinterval(SWITCH_S)
    # A prompt of megabytes, several times over: kept for the next one, where the default gives it back page by page.
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        for option, value in MALLOC.items():
            libc.mallopt(option, value)


def raise_file_limit() -> None:
    """A stream is two sockets, and a shell mostly grants 1,024 files: take what may be had, as Go does for its programs."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = FILES if hard == resource.RLIM_INFINITY else min(hard, FILES)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


async def run(places: Places, listener: socket.socket, config: str, certificate: Certificate | None) -> None:
    await Gateway(places, listener, config, certificate).run()


if __name__ == "__main__":
    main()
