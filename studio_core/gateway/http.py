"""The gateway's side of HTTP/1.1: one request at a time per connection, strict, within limits."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, cast

import httptools
import msgspec

from studio_core.errors import BadInput, StudioError, TooLarge

HEADER_BYTES = 32 * 1024
HEADER_COUNT = 100
URL_BYTES = 8 * 1024
HEAD_S, BODY_S, IDLE_S = 10.0, 30.0, 75.0
_BARE = re.compile(rb"(?<!\r)\n|\r(?!\n)")

Headers = list[tuple[bytes, bytes]]


class HeadTooLarge(BadInput):
    status, code = 431, "header_too_large"


class UrlTooLong(BadInput):
    status, code = 414, "url_too_long"


@dataclass(slots=True)
class Request:
    """A whole request. Header names are lower case."""

    method: str
    target: bytes
    headers: Headers
    body: bytes
    peer: str
    keep_alive: bool
    version: str = "1.1"

    @property
    def path(self) -> str:
        return self.target.partition(b"?")[0].decode("ascii", "replace")

    @property
    def query(self) -> str:
        return self.target.partition(b"?")[2].decode("ascii", "replace")

    def header(self, name: bytes) -> str | None:
        return next((value.decode("latin-1") for key, value in self.headers if key == name), None)


@dataclass(slots=True)
class Responder:
    """The answer to one request. Chunked unless a Content-Length was given."""

    transport: asyncio.Transport
    writable: asyncio.Event
    request: Request
    started: bool = False
    finished: bool = False
    sent: int = 0
    _chunked: bool = field(default=True)

    def start(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> None:
        headers = list(headers)
        sized = any(name.lower() == b"content-length" for name, _ in headers) or status in (204, 304)
        self._chunked = not sized and self.request.version != "1.0"
        if not sized and not self._chunked:
            self.request.keep_alive = False
        if self._chunked:
            headers.append((b"transfer-encoding", b"chunked"))
        headers.append((b"connection", b"keep-alive" if self.request.keep_alive else b"close"))
        phrase = HTTPStatus(status).phrase if status in set(HTTPStatus) else "-"
        lines = [f"HTTP/1.1 {status} {phrase}".encode(), *(name + b": " + value for name, value in headers)]
        self.started = True
        self.transport.write(b"\r\n".join(lines) + b"\r\n\r\n")

    async def write(self, data: bytes) -> None:
        """Send; waits while the client does not read."""
        if not data or self.request.method == "HEAD":
            return
        self.sent += len(data)
        self.transport.write(b"%x\r\n%s\r\n" % (len(data), data) if self._chunked else data)
        await self.writable.wait()

    def finish(self) -> None:
        self.finished = True
        if self._chunked and self.request.method != "HEAD":
            self.transport.write(b"0\r\n\r\n")

    def json(self, status: int, body: Any, headers: Iterable[tuple[bytes, bytes]] = ()) -> None:
        """A whole answer at once."""
        data = msgspec.json.encode(body)
        self.start(status, [(b"content-type", b"application/json"), (b"content-length", str(len(data)).encode()), *headers])
        if self.request.method != "HEAD":
            self.transport.write(data)
        self.finished = True


Handler = Callable[[Request, Responder], Awaitable[None]]


class Connection(asyncio.Protocol):
    """Parses requests, hands each to the handler, and cancels the handler when the client goes."""

    def __init__(self, handler: Handler, body_limit: Callable[[], int], open_: set[Connection]) -> None:
        self._handler = handler
        self._body_limit = body_limit
        self._open = open_
        self._writable = asyncio.Event()
        self._writable.set()
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._pending = b""
        self._fresh()

    # asyncio's side.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not an isinstance: uvloop's transport is none of asyncio's classes.
        self._transport = cast("asyncio.Transport", transport)
        self._open.add(self)
        peer = transport.get_extra_info("peername")
        self._peer = str(peer[0]) if peer else ""
        self._deadline(IDLE_S)

    def connection_lost(self, exc: Exception | None) -> None:
        self._open.discard(self)
        self._deadline(None)
        self._writable.set()
        if self._task is not None:
            self._task.cancel()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def eof_received(self) -> bool:
        return self._task is not None

    def data_received(self, data: bytes) -> None:
        if self._task is not None:
            # A pipelined request waits; reading stops so that it cannot grow, but a client's end is still seen by its EOF.
            self._pending += data
            if len(self._pending) > HEADER_BYTES:
                self._transport.pause_reading()
            return
        self._feed(data)

    def retire(self) -> None:
        """Close when the request under way is answered, or now."""
        self._retired = True
        if self._task is None and not self._begun:
            self._transport.close()

    # The parser's side.

    def _fresh(self) -> None:
        self._parser = httptools.HttpRequestParser(self)
        self._target = b""
        self._headers: Headers = []
        self._body: list[bytes] = []
        self._size = self._head_size = 0
        self._head = bytearray()
        self._complete = self._begun = self._head_done = False
        self._refusal: StudioError | None = None
        self._retired = getattr(self, "_retired", False)

    def _feed(self, data: bytes) -> None:
        if not self._begun:
            self._begun = True
            self._deadline(HEAD_S)
        try:
            self._check_head(data)
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._refusal = self._refusal or BadInput("WebSocket upgrades are not served", "", "use server-sent events")
            self._complete = True
        except httptools.HttpParserError as error:
            self._refusal = self._refusal or BadInput("not a valid HTTP/1.1 request", str(error))
        except StudioError as error:
            self._refusal = error
        if self._refusal is not None or self._complete:
            self._dispatch()
        elif self._head_done:
            self._deadline(BODY_S)

    def _check_head(self, data: bytes) -> None:
        """What llhttp tolerates and smugglers use: bare CR or LF, obsolete folding; and the size of the head."""
        if self._head_done:
            return
        self._head += data
        end = self._head.find(b"\r\n\r\n")
        head = bytes(self._head if end < 0 else self._head[:end])
        if len(head) > HEADER_BYTES + URL_BYTES:
            raise HeadTooLarge("the request's head is too large", f"more than {HEADER_BYTES} bytes")
        whole = head if end >= 0 else head[:-1]
        if _BARE.search(whole) or b"\r\n " in whole or b"\r\n\t" in whole:
            raise BadInput("not a valid HTTP/1.1 request", "bare CR, bare LF or a folded header")

    def on_url(self, url: bytes) -> None:
        self._target += url
        if len(self._target) > URL_BYTES:
            self._refuse(UrlTooLong("the URL is too long", f"more than {URL_BYTES} bytes"))

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_size += len(name) + len(value)
        self._headers.append((name.lower(), value))
        if len(self._headers) > HEADER_COUNT or self._head_size > HEADER_BYTES:
            self._refuse(HeadTooLarge("too many headers", f"more than {HEADER_COUNT}, or {HEADER_BYTES} bytes"))

    def on_headers_complete(self) -> None:
        self._head_done = True
        names = [name for name, _ in self._headers]
        if names.count(b"content-length") > 1 or (b"content-length" in names and b"transfer-encoding" in names):
            self._refuse(BadInput("not a valid HTTP/1.1 request", "two lengths for one body"))
        length = next((value for name, value in self._headers if name == b"content-length"), b"0")
        if length.isdigit() and int(length) > self._body_limit():
            self._refuse(self._too_large())
        if (b"expect", b"100-continue") in self._headers and self._refusal is None:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > self._body_limit():
            self._refuse(self._too_large())
        self._body.append(data)

    def on_message_complete(self) -> None:
        self._complete = True

    def _too_large(self) -> TooLarge:
        return TooLarge("the request body is too large", f"more than {self._body_limit()} bytes", "raise body_limit, or send less")

    def _refuse(self, error: StudioError) -> None:
        self._refusal = self._refusal or error

    # Answering.

    def _dispatch(self) -> None:
        self._deadline(None)
        keep = self._refusal is None and self._parser.should_keep_alive() and not self._retired
        version = self._parser.get_http_version() if self._head_done else "1.1"
        method = self._parser.get_method().decode() if self._head_done else "GET"
        body = b"".join(self._body)
        request = Request(method, self._target, self._headers, body, self._peer, keep, version)
        responder = Responder(self._transport, self._writable, request)
        if self._refusal is not None:
            error = self._refusal
            openai = request.path.startswith("/v1")
            responder.json(error.status, error.openai() if openai else error.body())
            self._transport.close()
            return
        self._task = asyncio.create_task(self._serve(request, responder))

    async def _serve(self, request: Request, responder: Responder) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await self._handler(request, responder)
        self._task = None
        if not responder.finished or not request.keep_alive or self._retired or self._transport.is_closing():
            self._transport.close()
            return
        self._fresh()
        self._deadline(IDLE_S)
        if pending := self._pending:
            self._pending = b""
            self._transport.resume_reading()
            self._feed(pending)

    def _deadline(self, seconds: float | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        if seconds is not None:
            self._timer = asyncio.get_running_loop().call_later(seconds, self._late)

    def _late(self) -> None:
        if self._begun:
            Responder(self._transport, self._writable, Request("GET", b"", [], b"", "", False)).json(
                408, BadInput("the request did not arrive in time").body()
            )
        self._transport.close()
