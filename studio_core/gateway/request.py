"""A request as it arrived, and who answers it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from studio_core.errors import StudioError

if TYPE_CHECKING:
    from studio_core.gateway.responder import Responder

Headers = list[tuple[bytes, bytes]]
Serve = Callable[["Request", "Responder"], Awaitable[None]]


@dataclass(slots=True)
class Request:
    """Header names are lower case. `serve` answers it; `body` is whole by then."""

    method: str
    target: bytes
    headers: Headers
    peer: str
    keep_alive: bool = False
    version: str = "1.1"
    body: bytes = b""
    id: str = ""
    serve: Serve | None = field(default=None, repr=False)

    @property
    def path(self) -> str:
        return self.target.partition(b"?")[0].decode("ascii", "replace")

    @property
    def query(self) -> str:
        return self.target.partition(b"?")[2].decode("ascii", "replace")

    def header(self, name: bytes) -> str | None:
        return next((value.decode("latin-1") for key, value in self.headers if key == name), None)


class Door(Protocol):
    """Decides on requests by their head alone."""

    @property
    def body_limit(self) -> int:
        """Largest body in bytes."""

    def admit(self, request: Request) -> Serve:
        """Who answers it. Raises StudioError when it may not come in."""

    def refuse(self, request: Request, responder: Responder, error: StudioError) -> None:
        """Answer with an error."""
