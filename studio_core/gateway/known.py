"""The head of a connection's last request: the next mostly has the same, but for its Content-Length, and need not be parsed.

Only what the parser has taken is known, and only the same bytes count as known: nothing gets past it that would not get past it.
"""

from __future__ import annotations

import re

from studio_core.gateway.request import Request

# What gives a request another form than "head, then so many bytes".
OTHER_FORM = (b"transfer-encoding", b"expect", b"upgrade")
_LENGTH = re.compile(rb"(?i)\r\ncontent-length:[ \t]*")
# More digits than a length has.
DIGITS = 20


class Known:
    """A head before and after the digits of its length, and the request that it makes."""

    __slots__ = ("_after", "_before", "_request")

    def __init__(self, before: bytes, after: bytes, request: Request) -> None:
        self._before = before
        self._after = after
        self._request = request

    @classmethod
    def learn(cls, data: bytes, request: Request) -> Known | None:
        """From one whole read that the parser made this one request of; None where it has another form."""
        end = data.find(b"\r\n\r\n") + 4
        found = _LENGTH.search(data, 0, end)
        if found is None or any(name in request.fields for name in OTHER_FORM):
            return None
        stop = data.find(b"\r", found.end())
        digits = data[found.end() : stop]
        if not digits.isdigit() or len(data) - end != int(digits):
            return None
        others = [pair for pair in request.headers if pair[0] != b"content-length"]
        return cls(data[: found.end()], data[stop:end], request.again(others))

    def again(self, data: bytes, limit: int) -> Request | None:
        """The request that these bytes are, if they are exactly one with this head and a body of at most `limit` bytes."""
        if not data.startswith(self._before):
            return None
        start = len(self._before)
        stop = data.find(b"\r", start, start + DIGITS)
        digits = data[start:stop]
        if stop < 0 or not digits.isdigit() or not data.startswith(self._after, stop):
            return None
        length, begin = int(digits), stop + len(self._after)
        if len(data) - begin != length or length > limit:
            return None
        request = self._request.again()
        request.body = data[begin:]
        return request
