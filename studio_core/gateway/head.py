"""Heads of requests to an upstream and of its answers: what crosses, and what is between two neighbours only."""

from __future__ import annotations

from http import HTTPStatus

from studio_core.gateway.request import Headers
from studio_core.routes import REQUEST_ID_HEADER

HOP_BY_HOP = frozenset({
    b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"te", b"trailer", b"transfer-encoding",
    b"upgrade", b"proxy-connection",
})
# In an answer these are the gateway's, or say nothing about it.
GATEWAYS = frozenset({REQUEST_ID_HEADER.encode(), b"server", b"date"})
KEPT_BACK = HOP_BY_HOP | GATEWAYS
EVENT_STREAM = b"text/event-stream"
SSE_HEADERS: Headers = [(b"content-type", EVENT_STREAM), (b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no")]
SSE_OURS = frozenset({b"content-length", *(name for name, _ in SSE_HEADERS)})
LENGTH = b"content-length"
FIRST_LINES = {int(status): b"HTTP/1.1 %d %s\r\n" % (status, status.phrase.encode()) for status in HTTPStatus}


class Head:
    """The head of an answer. What is made of it is made once: the next answer mostly has the same.

    `events`: a stream of events follows; `streams`: of a request that went well. `keep`: the connection may serve again. `framed`:
    the body comes in chunks.
    """

    __slots__ = ("_lines", "_opening", "events", "framed", "headers", "keep", "status", "streams")

    def __init__(self, status: int, headers: Headers, *, keep: bool, framed: bool) -> None:
        self.status = status
        self.headers = headers
        self.keep = keep
        self.framed = framed
        self.events = any(name == b"content-type" and value.startswith(EVENT_STREAM) for name, value in headers)
        self.streams = self.events and status == 200
        self._lines: bytes | None = None
        self._opening: bytes | None = None

    @property
    def lines(self) -> bytes:
        """What of it the client gets, but for the body's length."""
        found = self._lines
        if found is None:
            ours, without = (SSE_HEADERS, SSE_OURS) if self.events else ([], {LENGTH})
            found = lines([*ours, *(pair for pair in answered(self.headers) if pair[0] not in without)])
            self._lines = found
        return found

    @property
    def opening(self) -> bytes:
        """How the client's begins, up to the body's length."""
        found = self._opening
        if found is None:
            found = self._opening = first_line(self.status) + self.lines
        return found

    @property
    def length(self) -> int | None:
        """Of the body in bytes, where the head says it."""
        return next((int(value) for name, value in self.headers if name == LENGTH), None)

    @property
    def until_end(self) -> bool:
        """Whether the body ends with the connection."""
        return not self.framed and all(name != LENGTH for name, _ in self.headers)


def first_line(status: int) -> bytes:
    return FIRST_LINES.get(status) or b"HTTP/1.1 %d -\r\n" % status


def lines(headers: Headers) -> bytes:
    """These headers as they stand in a head."""
    return b"".join([b"%b: %b\r\n" % pair for pair in headers])


def asking(method: bytes, target: bytes, headers: Headers, size: int) -> bytes:
    """A request's head, for a connection that serves this one only."""
    return b"%b %b HTTP/1.1\r\n%bcontent-length: %d\r\nconnection: close\r\n\r\n" % (method, target, lines(headers), size)


def passed(headers: Headers) -> Headers:
    """The headers that may cross: neither hop by hop nor named by Connection."""
    named = _named(headers)
    return [pair for pair in headers if pair[0] not in HOP_BY_HOP and pair[0] not in named]


def answered(headers: Headers) -> Headers:
    """The headers of an answer that the client gets: what is the gateway's own is left out."""
    named = _named(headers)
    return [pair for pair in headers if pair[0] not in KEPT_BACK and pair[0] not in named]


def _named(headers: Headers) -> set[bytes] | tuple[()]:
    """What a Connection header takes with it."""
    found = [value for name, value in headers if name == b"connection"]
    return {word.strip().lower() for value in found for word in value.split(b",")} if found else ()
