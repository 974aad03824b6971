"""The requests under way, as they are shown, and their end by a person's word: for the controller, or without one for a client."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from studio_core import wire
from studio_core.errors import Denied, NotFound, StudioError
from studio_core.gateway.auth import Principal
from studio_core.gateway.request import Request
from studio_core.gateway.responder import Responder
from studio_core.gateway.table import Ask, Told
from studio_core.routes import ADMIN, REQUESTS, sees_all

# A line of the link has to hold them.
SHOWN = 1000


class Cut(StudioError):
    """Not a status that clients try again on."""

    status, code = 499, "request_cancelled"


class Flying(Protocol):
    """What is shown, and may be ended."""

    key: str | None

    def view(self) -> wire.Flight: ...

    def cut(self, error: StudioError) -> None: ...


class Flights:
    """`running` are those of this gateway, by their ids, in the order in which they came."""

    def __init__(self, running: Mapping[str, Flying]) -> None:
        self._running = running

    def told(self, asked: Ask) -> Told:
        """The answer to the controller: what is under way here, after what is to be cut was cut."""
        found = bool(asked.cut) and self._cut(asked.cut, asked.by)
        return Told(number=asked.number, flights=self._views(self._running), total=len(self._running), found=found)

    async def serve(self, principal: Principal, request: Request, responder: Responder) -> None:
        """The path without a controller. Raises NotFound, Denied."""
        mine = {name: one for name, one in self._running.items() if sees_all(principal.scopes) or one.key == (principal.id or "-")}
        name = request.path.removeprefix(REQUESTS).strip("/")
        if not name:
            responder.json(200, wire.Flights(requests=self._views(mine), total=len(mine)))
            return
        if name not in mine:
            raise NotFound(f"no request {name[:100]} is under way", "", "see: studio requests")
        if not may_cut(mine[name].key, principal.id, principal.scopes):
            raise Denied("this request is another's", name[:100], "use its key, or an admin key")
        self._cut(name, principal.id)
        responder.json(200, wire.Done())

    def _cut(self, name: str, by: str) -> bool:
        one = self._running.get(name)
        if one is not None:
            one.cut(Cut("the request was cancelled", f"by {by or 'its owner'}"))
        return one is not None

    @staticmethod
    def _views(chosen: Mapping[str, Flying]) -> list[wire.Flight]:
        return [one.view() for _, one in zip(range(SHOWN), tuple(chosen.values()), strict=False)]


def may_cut(owner: str | None, caller: str, scopes: frozenset[str]) -> bool:
    """An admin any, a key its own; nobody knows one anonymous caller from another."""
    return ADMIN in scopes or (owner is not None and owner == caller)

