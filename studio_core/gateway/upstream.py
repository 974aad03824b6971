"""The gateway's client: one request to an engine or to the controller, its answer as a stream of bytes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import httptools

from studio_core.gateway.request import Headers
from studio_core.paths import connect
from studio_core.routes import REQUEST_ID_HEADER

READ_BYTES = 64 * 1024
CONNECT_S = 5.0
HOP_BY_HOP = frozenset({
    b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"te", b"trailer", b"transfer-encoding",
    b"upgrade", b"proxy-connection",
})
# In an answer these are the gateway's, or say nothing about it.
GATEWAYS = frozenset({REQUEST_ID_HEADER.encode(), b"server", b"date"})


class Broken(OSError):
    """The upstream could not be reached, or went away before its answer was whole."""


class Unreached(Broken):
    """Nobody listens there; nothing was sent."""


class Upstream:
    """One exchange. Close it whatever happens: that aborts the upstream's work at once."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.status = 0
        self.headers: Headers = []
        self._reader = reader
        self._writer = writer
        self._parser = httptools.HttpResponseParser(self)
        self._chunks: list[bytes] = []
        self._head = self._whole = self._bodiless = False

    @classmethod
    async def open(cls, where: tuple[str, int] | Path) -> Upstream:
        """Raises Unreached."""
        try:
            async with asyncio.timeout(CONNECT_S):
                if isinstance(where, Path):
                    # Without a timeout: a local socket answers at once, or says that its queue is full.
                    link = connect(where, timeout=0.0)
                    return cls(*await asyncio.open_unix_connection(sock=link))
                return cls(*await asyncio.open_connection(*where))
        except (OSError, TimeoutError) as error:
            raise Unreached(f"cannot connect: {error}") from error

    async def send(self, method: str, target: bytes, headers: Headers, body: bytes) -> None:
        """Send the request and wait for the head of the answer. Raises Broken."""
        self._bodiless = method == "HEAD"
        lines = [method.encode() + b" " + target + b" HTTP/1.1", *(name + b": " + value for name, value in headers)]
        lines += [b"content-length: %d" % len(body), b"connection: close"]
        self._writer.write(b"\r\n".join(lines) + b"\r\n\r\n" + body)
        while not self._head:
            await self._more()

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it comes. Raises Broken when it ends too early."""
        while True:
            while self._chunks:
                yield self._chunks.pop(0)
            if self._whole:
                return
            await self._more()

    async def _more(self) -> None:
        try:
            data = await self._reader.read(READ_BYTES)
            if data:
                self._parser.feed_data(data)
            elif self._head and self._until_end():
                self._whole = True
            else:
                raise Broken("the upstream closed the connection too early")
        except httptools.HttpParserError as error:
            raise Broken(f"the upstream's answer is not HTTP: {error}") from error
        except ConnectionError as error:
            raise Broken(str(error)) from error

    @property
    def events(self) -> bool:
        """Whether the answer is a stream of events."""
        return any(name == b"content-type" and value.startswith(b"text/event-stream") for name, value in self.headers)

    def _until_end(self) -> bool:
        return not {name for name, _ in self.headers} & {b"content-length", b"transfer-encoding"}

    def close(self) -> None:
        with contextlib.suppress(RuntimeError):
            self._writer.transport.abort()

    def on_message_begin(self) -> None:
        self.headers = self.headers if self._head else []

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._head:  # What comes later is a trailer.
            self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status >= 200 and not self._head:
            self.status, self._head = status, True
            self._whole = self._bodiless

    def on_body(self, data: bytes) -> None:
        if not self._whole:
            self._chunks.append(data)

    def on_message_complete(self) -> None:
        self._whole = self._head


def passed(headers: Headers) -> Headers:
    """The headers that may cross: neither hop by hop nor named by Connection."""
    named = {
        word.strip().lower() for name, value in headers if name == b"connection" for word in value.split(b",")
    }
    return [(name, value) for name, value in headers if name not in HOP_BY_HOP and name not in named]


def answered(upstream: Upstream) -> Headers:
    """The headers of an answer that the client gets: what is the gateway's own is left out."""
    return [(name, value) for name, value in passed(upstream.headers) if name not in GATEWAYS]
