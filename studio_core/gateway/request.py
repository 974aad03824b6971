"""A request as it arrived, and who answers it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Protocol

from studio_core.errors import StudioError

if TYPE_CHECKING:
    from studio_core.gateway.responder import Responder
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


class Request:
    """Header names are lower case. `serve` answers it; `body` is whole by then."""

    __slots__ = (
        "_fields", "_path", "_shown", "admitted", "body", "headers", "id", "keep_alive", "method", "peer", "serve", "target",
        "version",
    )

    def __init__(
        self, method: str, target: bytes, headers: Headers, peer: str, *, body: bytes = b"", serve: Serve | None = None
    ) -> None:
        self.method = method
        self.target = target
        self.headers = headers
        self.peer = peer
        self.body = body
        self.serve = serve
        self.keep_alive = False
        self.version = "1.1"
        self.id = ""
        self._path: str | None = None
        self._fields: dict[bytes, bytes] | None = None
        self._shown: bytes | None = None
        # What the door decided on its head, and by which table.
        self.admitted: tuple[object, Serve] | None = None

    def again(self, body: bytes) -> Request:
        """Another one with this head. What was found out about the head is true of that one too."""
        found = Request.__new__(Request)
        found.method, found.target, found.headers, found.peer = self.method, self.target, self.headers, self.peer
        found.version, found.keep_alive, found.admitted = self.version, self.keep_alive, self.admitted
        found._path, found._shown, found._fields = self._path, self._shown, self._fields
        found.id, found.serve, found.body = "", None, body
        return found

    def without(self, name: bytes) -> Request:
        """This head without a header, and all found out about it that can be."""
        headers = [pair for pair in self.headers if pair[0] != name]
        found = Request(self.method, self.target, headers, self.peer)
        found.version, found.keep_alive, found.admitted = self.version, self.keep_alive, self.admitted
        found._path, found._shown, found._fields = found.path, found.shown, found.fields
        return found

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

    def admit(self, request: Request) -> Serve:
        """Who answers it. Raises StudioError when it may not come in."""

    def common(self, request: Request) -> bytes:
        """Lines of the head of every answer."""

    def refuse(self, request: Request, responder: Responder, error: StudioError) -> None:
        """Answer with an error."""
