"""Heads that came before: the next one mostly is the same, but for its Content-Length, and need not be parsed.

Only what the parser has taken is known, and only the same bytes count as known: nothing gets past it that would not get past it.
"""

from __future__ import annotations

import re

from studio_core.gateway.head import Head
from studio_core.gateway.request import Request

# What gives a message another form than "head, then so many bytes".
OTHER_FORM = (b"transfer-encoding", b"expect", b"upgrade")
# So many peers' heads are kept.
PEERS = 256
_LENGTH = re.compile(rb"(?i)\r\ncontent-length:[ \t]*")
END = b"\r\n\r\n"


class Mould:
    """A head before and after the digits of its length."""

    __slots__ = ("_after", "_before", "_size")

    def __init__(self, before: bytes, after: bytes, digits: int) -> None:
        self._before = before
        self._after = after
        # Of the head, when its length had so many digits as it last had.
        self._size = len(before) + digits + len(after)

    @classmethod
    def of(cls, data: bytes) -> Mould | None:
        """From a head and a whole body of its length; None where it is not that."""
        end = data.find(END) + len(END)
        found = _LENGTH.search(data, 0, end)
        if found is None:
            return None
        stop = data.find(b"\r", found.end())
        digits = data[found.end() : stop]
        if not digits.isdigit() or len(data) - end != int(digits):
            return None
        return cls(data[: found.end()], data[stop:end], len(digits))

    def body(self, data: bytes) -> bytes | None:
        """The body, if these bytes are exactly one message with this head.

        Its length is not read but foretold: these bytes begin with the one head that so many of them can have, or do not.
        """
        size = len(data) - self._size
        head = self._before + b"%d" % size + self._after
        if len(head) != self._size:
            self._size = len(head)
            size = len(data) - self._size
            head = self._before + b"%d" % size + self._after
        # Compared once more: with another digit less the second head says one less than there is.
        return data[self._size :] if data.startswith(head) and len(head) == self._size else None


class KnownRequest:
    """A request's head, and the request that it makes."""

    __slots__ = ("body", "request")

    def __init__(self, mould: Mould, request: Request) -> None:
        self.body = mould.body
        self.request = request

    @classmethod
    def learn(cls, data: bytes, request: Request) -> KnownRequest | None:
        """From one whole read that the parser made this one request of; None where it has another form."""
        mould = Mould.of(data)
        if mould is None or any(name in request.fields for name in OTHER_FORM):
            return None
        return cls(mould, request.without(b"content-length"))


class Heads:
    """The last known head of each peer: who dials anew for every request mostly begins with the same."""

    def __init__(self) -> None:
        self._found: dict[str, KnownRequest] = {}

    def of(self, peer: str) -> KnownRequest | None:
        return self._found.get(peer)

    def keep(self, peer: str, known: KnownRequest) -> None:
        if len(self._found) >= PEERS and peer not in self._found:
            del self._found[next(iter(self._found))]
        self._found[peer] = known


class KnownAnswer:
    """An answer's head: one with a length, or `raw`, one before chunks."""

    __slots__ = ("_mould", "head", "raw")

    def __init__(self, head: Head, raw: bytes, mould: Mould | None) -> None:
        self.head = head
        self.raw = raw
        self._mould = mould

    @classmethod
    def learn(cls, data: bytes, head: Head) -> KnownAnswer | None:
        """From the first read of an answer, which the parser found this head in; None where something stands before it."""
        if data[9:12] != b"%d" % head.status:
            return None
        if head.framed:
            return cls(head, data[: data.find(END) + len(END)], None)
        mould = Mould.of(data)
        return None if mould is None else cls(head, b"", mould)

    def body(self, data: bytes) -> bytes | None:
        """What follows, if these bytes begin with this head: a whole body of its length, or chunks, perhaps none yet."""
        if self._mould is not None:
            return self._mould.body(data)
        return data[len(self.raw) :] if data.startswith(self.raw) else None
