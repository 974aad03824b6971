"""Where clients come in.

libuv accepts one connection per step of its loop, however many wait (libuv/libuv#3696). A step in which hundreds of streams are
read takes tens of milliseconds, so that a burst of clients would be let in over seconds. Therefore several look at the same socket.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from ssl import SSLContext

from studio_core.gateway.tls import HANDSHAKE_S

# So many are let in per step of the loop. Each costs a look in vain where only one client has come.
PER_STEP = 32
# So many wait to be let in; who comes after them tries again, a second later. uvloop's own would be 100.
BACKLOG = 4096


class Entrance:
    """What listens on a socket, until it is closed; the socket itself stays its owner's."""

    def __init__(self, servers: list[asyncio.Server]) -> None:
        self._servers = servers

    @classmethod
    async def open(
        cls, made: Callable[[], asyncio.Protocol], listener: socket.socket, context: SSLContext | None = None
    ) -> Entrance:
        """`context`: with TLS."""
        loop, handshake = asyncio.get_running_loop(), HANDSHAKE_S if context is not None else None
        return cls([
            await loop.create_server(
                made, sock=listener.dup(), backlog=BACKLOG, ssl=context, ssl_handshake_timeout=handshake
            ) for _ in range(PER_STEP)
        ])

    def close(self) -> None:
        """Nobody is let in any more; who is, stays."""
        for server in self._servers:
            server.close()
