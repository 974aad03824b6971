"""HTTP on Unix sockets that are bound by us, so that their mode is right from the first moment.

uvicorn's protocol without uvicorn's server: that one takes over signals, ticks ten times a second, and binds with 0666.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from pathlib import Path
from typing import Any

from starlette.types import ASGIApp
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from studio_core import paths
from studio_core.paths import listen

# How long answers under way get when the server stops. Event streams end at once: the hub is closed first.
GRACE_S = 2.0


class PeerProtocol(HttpToolsProtocol):
    """Accepts connections of our own uid, and root's, who may do everything anyway."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if peer_uid(transport) not in (os.getuid(), 0):
            transport.abort()


def peer_uid(transport: asyncio.BaseTransport) -> int:
    """The uid at the other end."""
    descriptor = os.dup(transport.get_extra_info("socket").fileno())
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, fileno=descriptor) as link:
        return paths.peer_uid(link)


class Server:
    """Serves one application on one Unix socket."""

    def __init__(self, app: ASGIApp, path: Path) -> None:
        self._path = path
        self._config = Config(
            app, interface="asgi3", http=PeerProtocol, ws="none", lifespan="off", access_log=False, log_config=None,
            server_header=False, date_header=False, proxy_headers=False, timeout_keep_alive=75,
        )
        self._state = ServerState()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Bind and accept."""
        self._config.load()
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(self._protocol, sock=listen(self._path))

    def _protocol(self) -> asyncio.Protocol:
        arguments: dict[str, Any] = {"config": self._config, "server_state": self._state, "app_state": {}}
        return PeerProtocol(**arguments)

    async def stop(self) -> None:
        """Accept no more, let what runs end within GRACE_S, then cut it off. The socket's file is removed."""
        if self._server is None:
            return
        self._server.close()
        for connection in tuple(self._state.connections):
            connection.shutdown()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GRACE_S):
                while self._state.tasks:
                    await asyncio.wait(self._state.tasks)
        for task in tuple(self._state.tasks):
            task.cancel()
        await asyncio.gather(*self._state.tasks, return_exceptions=True)
        for connection in tuple(self._state.connections):
            connection.transport.abort()
        self._path.unlink(missing_ok=True)
