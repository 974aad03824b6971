"""Keeps a gateway alive: holds the listening socket, starts the process, replaces it when it is dead or outdated."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import socket
import subprocess
import sys

from studio_core import __version__, wire
from studio_core.errors import PortTaken
from studio_core.gateway import tls
from studio_core.gateway.entrance import BACKLOG
from studio_core.gateway.table import Hello
from studio_core.paths import Places, daemon_environment
from studio_core.settings import Settings
from studio_core.supervisor import identity, port
from studio_core.supervisor import record as records

# A gateway that survived the last controller dials within this time.
ADOPT_S = 1.0
RESTART_S, RESTART_MAX_S = 0.05, 10.0


class Gatekeeper:
    """The socket stays open here too: when a gateway dies, connections wait in its queue for the next one."""

    def __init__(self, settings: Settings, places: Places) -> None:
        self.pid: int | None = None
        self._tls: list[str] = []
        self._settings = settings
        self._places = places
        self._listener: socket.socket | None = None
        self._greeted = asyncio.Event()
        self._current: Hello | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def address(self) -> tuple[str, int]:
        """Where clients connect."""
        if self._listener is None:
            return self._settings.host, self._settings.port
        host, number = self._listener.getsockname()[:2]
        return host, number

    @property
    def config(self) -> str:
        """What a gateway of ours must have been started with."""
        text = f"{__version__} {self._settings.host} {self._settings.port} {' '.join(self._tls)}"
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def url(self) -> str:
        """The address as a client writes it."""
        host, number = self.address
        return wire.Gateway(host=host, port=number, tls=self.tls).url

    @property
    def tls(self) -> bool:
        return bool(self._tls)

    async def start(self) -> None:
        """Take over a living gateway, or open the port and start one.

        Raises:
            PortTaken: names the holder and a free port; nothing moves by itself. BadSetting: no certificate to serve with.
        """
        self._tls = tls.arguments(self._settings.tls_cert, self._settings.tls_key, self._places.root)
        if self.living():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(ADOPT_S):
                    await self._greeted.wait()
        if self._listener is None:
            self._listener = _open(self._settings.host, self._settings.port)
        self._task = asyncio.create_task(self._keep())

    async def stop(self, shutdown: bool = False) -> None:
        """Stop keeping; a gateway that runs goes on. With `shutdown` one that has not dialled yet is told by a signal."""
        process = self._process
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        if shutdown and process is not None and self._current is None and process.poll() is None:
            process.terminate()
        if self._listener is not None:
            self._listener.close()

    def reap(self) -> bool:
        """Take the exit status of a gateway that has ended meanwhile; whether none that was started here is left."""
        return self._process is None or self._process.poll() is not None

    def welcome(self, hello: Hello, listener: socket.socket | None) -> bool:
        """Whether this gateway is to serve; False: it is outdated and must retire."""
        wanted = (self._settings.host, self._settings.port)
        fits = hello.config == self.config and not hello.retired
        if self._listener is None and listener is not None and (fits or (hello.host, hello.port) == wanted):
            self._listener = listener
        elif listener is not None:
            listener.close()
        if fits and (self._current is None or not identity.alive(self._current.pid, self._current.ticks)):
            self._current, self.pid = hello, hello.pid
        if not hello.retired:
            self._greeted.set()
        return fits

    def living(self) -> set[str]:
        """The ids of the gateways that live, whether they are linked or not: each holds its journal's lock for life."""
        return {path.stem for path in self._places.journal.glob("*.lock") if records.is_held(path)}

    async def _keep(self) -> None:
        pause = RESTART_S
        while True:
            if self._current is not None and identity.alive(self._current.pid, self._current.ticks):
                await _death(self._current.pid)
            await self._run_one()
            # One that came up and then died is replaced at once; one that never comes up must not eat the machine.
            pause = RESTART_S if self._greeted.is_set() else min(pause * 2, RESTART_MAX_S)
            await asyncio.sleep(pause)

    async def _run_one(self) -> None:
        """Start a gateway and return when it has ended."""
        assert self._listener is not None
        log = os.open(self._places.logs / "gateway.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        handle = self._listener.fileno()
        self._current = None
        self._greeted.clear()
        try:
            # Not asyncio's: closing its transport would kill the gateway when the controller ends.
            process = subprocess.Popen(  # noqa: ASYNC220 - a fork and exec, then a pidfd tells of its end
                [sys.executable, "-m", "studio_core.gateway", "--state", str(self._places.root), "--listen-fd", str(handle),
                 "--config", self.config, *self._tls],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=(handle,), start_new_session=True, cwd="/",
                env=daemon_environment(),
            )
        finally:
            os.close(log)
        self._process, self.pid = process, process.pid
        try:
            await _death(process.pid)
        finally:
            process.poll()


def _open(host: str, number: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, number))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        holder = port.holder(number)
        by = f"held by {holder}" if holder else str(error)
        free = port.pick(number + 1)
        raise PortTaken(f"port {number} on {host} is taken", by, f"free is {free}: studio settings set port {free}") from error
    return listener


async def _death(pid: int) -> None:
    """Until that process has ended, told by the kernel through a pidfd."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    loop, dead = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(handle, dead.set)
    try:
        await dead.wait()
    finally:
        loop.remove_reader(handle)
        os.close(handle)
