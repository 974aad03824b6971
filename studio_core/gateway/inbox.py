"""From the bytes of one connection to its requests: HTTP/1.1, strict, within limits. No sockets here.

llhttp refuses what smugglers use (two lengths, bare CR or LF, folded headers, bad chunks); what it lets pass is refused here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

import httptools

from studio_core.errors import BadInput, StudioError, TooLarge
from studio_core.gateway.known import KnownRequest
from studio_core.gateway.request import Door, Request
from studio_core.gateway.responder import Responder
from studio_core.gateway.target import is_authority, to_origin_form

HEADER_BYTES = 32 * 1024
HEADER_COUNT = 100
URL_BYTES = 8 * 1024
# What chunks may need around a body: a byte each at worst, and trailers.
FRAME_SHARE, FRAME_BYTES = 8, 64 * 1024
# A request's head is kept for the next, unless it was another one so many times.
LESSONS = 8
# What a connection is in the middle of.
IDLE, HEAD, BODY = "idle", "head", "body"
VERSIONS = frozenset({"1.0", "1.1"})


class HeadTooLarge(BadInput):
    status, code = 431, "header_too_large"


class UrlTooLong(BadInput):
    status, code = 414, "url_too_long"


class NotServed(BadInput):
    status, code = 501, "not_implemented"


class WrongVersion(BadInput):
    status, code = 505, "http_version_not_supported"


class Inbox:
    """Feed it bytes; whole requests come out in `ready`, in order.

    After `dead` nothing more is read: the last request of `ready` is answered with an error, or was the last by its own word.
    `expects`: a client waits for 100 Continue before it sends its body. `quick` is asked first about a head that is known and
    the next in order: if it takes it, that is all.
    """

    __slots__ = (
        "_body", "_bytes", "_door", "_fed", "_known", "_lessons", "_limit", "_parser", "_peer", "_quick", "_request", "_size",
        "dead", "expects", "phase", "ready",
    )

    def __init__(self, door: Door, peer: str, quick: Callable[[Request, bytes], bool] = lambda request, body: False) -> None:
        self.ready: deque[Request] = deque()
        self.dead = False
        self._door = door
        self._peer = peer
        self._quick = quick
        # None until something has to be parsed.
        self._parser: Any = None
        self._fed = self._limit = self._lessons = 0
        self._known = door.heads.of(peer)
        self.phase, self.expects, self._size = IDLE, False, 0

    def close(self) -> None:
        """Nothing comes any more. Parser and connection know us and we know them: without a word all three would stay."""
        self._parser, self._quick, self.dead = None, _not_quick, True

    def _fresh(self) -> None:
        """A head begins."""
        self.phase, self.expects = HEAD, False
        self._request = Request("GET", b"", [], self._peer)
        self._body: list[bytes] = []
        self._bytes = self._size = 0

    @property
    def size(self) -> int:
        """Bytes of the body under way that are here."""
        return self._size

    def feed(self, data: bytes) -> None:
        fresh = self.phase is IDLE
        if self.dead or (fresh and self._known is not None and self._again(self._known, data)):
            return
        if fresh:
            self._fresh()
        if self._parser is None:
            self._parser = httptools.HttpRequestParser(self)
        self._fed, before = len(data), self._lessons
        self._bytes += self._fed
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            cause = error.__context__
            self._fail(cause if isinstance(cause, StudioError) else BadInput("not a valid HTTP/1.1 request", str(error)))
        if fresh and self.phase == IDLE and self._lessons == before + 1 <= LESSONS and not self.dead:
            self._learn(data, self.ready[-1])  # One read was this one request.
        elif self.phase == HEAD and self._bytes > HEADER_BYTES + URL_BYTES:
            self._fail(HeadTooLarge("the request's head is too large", f"more than {HEADER_BYTES} bytes"))
        elif self.phase == BODY and self._bytes > FRAME_SHARE * self._size + HEADER_BYTES + FRAME_BYTES:
            self._fail(HeadTooLarge("the body is mostly frames", "chunk extensions or trailers without an end"))

    def _again(self, known: KnownRequest, data: bytes) -> bool:
        """Whether this is the last request once more, but for its body."""
        body = known.body(data)
        if body is None or len(body) > self._door.body_limit:
            return False
        if not self.ready and self._quick(known.request, body):
            return True
        request = known.request.again(body)
        try:
            request.serve = self._door.admit(request)
        except StudioError:
            return False  # No more: it is refused in the usual way.
        known.request.admitted = request.admitted
        self.ready.append(request)
        return True

    def _learn(self, data: bytes, request: Request) -> None:
        self._known = KnownRequest.learn(data, request)
        if self._known is not None:
            self._door.heads.keep(self._peer, self._known)

    def _upgrade(self, rest: bytes) -> None:
        """Refuse WebSockets and tunnels; an offer of h2c, as Java's client makes, is declined by not taking it."""
        request = self.ready.pop()
        self._parser = httptools.HttpRequestParser(self)
        if request.method == "CONNECT" or (request.header(b"upgrade") or "").lower() != "h2c":
            self._request, self.phase, self.dead = request, HEAD, False
            self._fail(BadInput("upgrades are not served, WebSockets neither", "", "use server-sent events"))
            return
        kept = [name + b": " + value for name, value in request.headers if name not in (b"upgrade", b"connection")]
        first = f"{request.method} ".encode() + request.target + b" HTTP/1.1"
        self.feed(b"\r\n".join([first, *kept]) + b"\r\n\r\n" + rest)

    # Called by the parser.

    def on_message_begin(self) -> None:
        if self.phase == IDLE:  # The second of one read.
            self._fresh()
            self._bytes = self._fed

    def on_url(self, url: bytes) -> None:
        self._request.target += url
        if len(self._request.target) > URL_BYTES:
            raise UrlTooLong("the URL is too long", f"more than {URL_BYTES} bytes")

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.phase != HEAD:
            return  # A trailer: nobody here wants one, and as a header it could forge anything.
        headers = self._request.headers
        headers.append((name.lower(), value))
        if len(headers) > HEADER_COUNT:
            raise self._head_too_large()

    def on_headers_complete(self) -> None:
        request, parser = self._request, self._parser
        request.method = parser.get_method().decode()
        request.version = parser.get_http_version()
        request.keep_alive = parser.should_keep_alive()
        # What was fed bounds what the headers have: most heads need not be summed up.
        if self._bytes > HEADER_BYTES and sum(len(name) + len(value) + 4 for name, value in request.headers) > HEADER_BYTES:
            raise self._head_too_large()
        self.phase = BODY
        _check(request)
        fields = request.fields
        length, self._limit = int(fields.get(b"content-length", 0)), self._door.body_limit
        if length > self._limit:
            raise self._too_large(self._limit)
        try:
            request.serve = self._door.admit(request)
        except StudioError as error:
            if length or b"transfer-encoding" in fields:
                raise  # Its body is not wanted: the connection cannot go on.
            request.serve = partial(_refuse, self._door, error.with_traceback(None))
        self.expects = b"expect" in fields and fields[b"expect"].lower() == b"100-continue"

    def on_body(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > self._limit:
            raise self._too_large(self._limit)
        self._body.append(data)

    def on_message_complete(self) -> None:
        request = self._request
        body = self._body
        request.body = body[0] if len(body) == 1 else b"".join(body)
        self.dead = not request.keep_alive
        self.ready.append(request)
        self._lessons += 1
        self.phase, self.expects, self._body = IDLE, False, []

    # Refusals.

    def _fail(self, error: StudioError) -> None:
        """The request under way is answered with this, and is the last."""
        self.dead = True
        if self.phase == IDLE:
            return  # Bytes after a request that said it was the last.
        request = self._request
        request.serve, request.keep_alive = partial(_refuse, self._door, error.with_traceback(None)), False
        self.phase, self.expects = IDLE, False
        self.ready.append(request)

    def _head_too_large(self) -> HeadTooLarge:
        return HeadTooLarge("too many headers", f"more than {HEADER_COUNT}, or {HEADER_BYTES} bytes")

    def _too_large(self, limit: int) -> TooLarge:
        return TooLarge("the request body is too large", f"more than {limit} bytes", "raise body_limit, or send less")


def _not_quick(request: Request, body: bytes) -> bool:
    return False


async def _refuse(door: Door, error: StudioError, request: Request, responder: Responder) -> None:
    door.refuse(request, responder, error)


def _check(request: Request) -> None:
    """What the parser lets pass and we do not (RFC 9112: 3.2, 6.1; RFC 9110: 7.8). Raises BadInput."""
    fields = request.fields
    if request.version not in VERSIONS:
        raise WrongVersion("only HTTP/1.1 and 1.0 are served", f"this is {request.version}")
    if len(fields) < len(request.headers):
        _check_twice([name for name, _ in request.headers])
    host = fields.get(b"host")
    if host is None:
        if request.version == "1.1":
            raise BadInput("not a valid HTTP/1.1 request", "it has no Host header")
    elif not is_authority(host):
        raise BadInput("not a valid HTTP/1.1 request", "its Host is none")
    if not request.target.startswith(b"/"):
        to_origin_form(request)
    encoding = fields.get(b"transfer-encoding")
    if encoding is None:
        return
    if b"content-length" in fields or request.version == "1.0":
        raise BadInput("not a valid HTTP/1.1 request", "two lengths for one body")
    if encoding.strip().lower() != b"chunked":
        named = encoding[:100].decode("latin-1")
        raise NotServed("this Transfer-Encoding is not served", named, "send chunked, or a Content-Length")


def _check_twice(names: list[bytes]) -> None:
    """Headers of which there must be one only."""
    if names.count(b"host") > 1:
        raise BadInput("not a valid HTTP/1.1 request", f"it has {names.count(b'host')} Host headers")
    if names.count(b"content-length") > 1 or names.count(b"transfer-encoding") > 1:
        raise BadInput("not a valid HTTP/1.1 request", "two lengths for one body")
