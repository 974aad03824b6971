"""A request as it arrived, and who answers it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
from msgspec.structs import replace

from studio_core.errors import StudioError

if TYPE_CHECKING:
    from studio_core.gateway.known import Heads
    from studio_core.gateway.responder import Responder, Wire
    from studio_core.gateway.table import Policy

Headers = list[tuple[bytes, bytes]]
# What of a request's head an engine gets to see.
TO_ENGINE = frozenset({b"accept", b"content-type", b"user-agent", b"anthropic-version", b"anthropic-beta"})


class Work(Protocol):
    """An answer under way, as its connection sees it."""

    def begin(self) -> None:
        """Start; the responder is told when it is over, at once perhaps."""

    def late(self, now: float) -> float:
        """It is not over yet; the answer is when to ask again. By the monotonic clock."""

    def paused(self, paused: bool) -> None:
        """The client's buffer is full, or has room again."""

    def cancel(self) -> asyncio.Task[None] | None:
        """The client has left. What is not over at once is to be waited for."""


# Who is no `Work` himself is a coroutine, and gets a task.
Serve = Callable[["Request", "Responder"], Work | Coroutine[Any, Any, None]]
# What names it, its head and body, and where its answer goes: under way at once, or not at all.
Quick = Callable[[Callable[[], str], "Request", bytes, "Wire"], Work | None]


class Request(msgspec.Struct, eq=False):
    """Header names are lower case. `serve` answers it; `body` is whole by then.

    `admitted` is what the door decided on its head and by which table, and who takes it if it is short.
    """

    method: str
    target: bytes
    headers: Headers
    peer: str
    body: bytes = b""
    serve: Serve | None = None
    keep_alive: bool = False
    version: str = "1.1"
    id: str = ""
    admitted: tuple[object, Serve, Quick | None] | None = None
    _path: str | None = None
    _fields: dict[bytes, bytes] | None = None
    _shown: bytes | None = None

    def again(self, body: bytes) -> Request:
        """Another one with this head. What was found out about the head is true of that one too."""
        return replace(self, body=body)

    def without(self, name: bytes) -> Request:
        """This head without a header, and all found out about it that can be; neither its body nor its id."""
        headers = [pair for pair in self.headers if pair[0] != name]
        return Request(
            self.method, self.target, headers, self.peer, keep_alive=self.keep_alive, version=self.version, admitted=self.admitted,
            _path=self.path, _fields=self.fields, _shown=self.shown,
        )

    @property
    def path(self) -> str:
        path = self._path
        if path is None:
            path = self._path = self.target.partition(b"?")[0].decode("ascii", "replace")
        return path

    @property
    def query(self) -> str:
        return self.target.partition(b"?")[2].decode("ascii", "replace")

    @property
    def fields(self) -> dict[bytes, bytes]:
        """The headers by name; of one that came twice the first."""
        fields = self._fields
        if fields is None:
            fields = self._fields = dict(reversed(self.headers))
        return fields

    @property
    def shown(self) -> bytes:
        """The lines of its head that an engine gets to see."""
        shown = self._shown
        if shown is None:
            shown = self._shown = b"".join([b"%b: %b\r\n" % pair for pair in self.headers if pair[0] in TO_ENGINE])
        return shown

    def header(self, name: bytes) -> str | None:
        value = self.fields.get(name)
        return None if value is None else value.decode("latin-1")

    def readdress(self, host: bytes, target: bytes) -> None:
        """Another target, and the only Host there is."""
        self.target, self._path, self._fields = target, None, None
        self.headers[:] = [(b"host", host), *(pair for pair in self.headers if pair[0] != b"host")]

    def forget(self) -> None:
        """What a long answer needs no more goes: it may have been megabytes."""
        self.body, self.headers, self._fields = b"", [], None


class Door(Protocol):
    """Decides on requests by their head alone."""

    @property
    def body_limit(self) -> int:
        """Largest body in bytes."""

    @property
    def policy(self) -> Policy:
        """Limits and deadlines."""

    @property
    def heads(self) -> Heads:
        """Those that are known."""

    def admit(self, request: Request) -> Serve:
        """Who answers it. Raises StudioError when it may not come in."""

    def errand(self, request: Request, body: bytes, wire: Wire) -> Work | None:
        """A head that was admitted before, with another body: under way at once if it may and can be."""

    def common(self, request: Request) -> bytes:
        """Lines of the head of every answer."""

    def refuse(self, request: Request, responder: Responder, error: StudioError) -> None:
        """Answer with an error."""
