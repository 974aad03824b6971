"""An endpoint: one handler with what it takes and answers, so that reading, checking and describing are one table."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from starlette.requests import Request

from studio_core.controller.services import Services
from studio_core.errors import BadInput, BadValue, TooLarge

WORDS = {"": True, "1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}


@dataclass(frozen=True, slots=True)
class Query:
    """One query parameter; `kind` is str, int, float or bool, a number lies between `low` and `high`."""

    name: str
    kind: type
    default: Any
    doc: str
    low: float = 0
    high: float = 2**53

    def read(self, text: str) -> Any:
        """Raises BadValue."""
        if self.kind is str:
            return text
        if self.kind is bool:
            if text.lower() not in WORDS:
                raise BadValue(f"bad value for {self.name}", f"{text[:40]!r} is neither true nor false", "write true or false")
            return WORDS[text.lower()]
        return self._number(text)

    def _number(self, text: str) -> Any:
        try:
            value = self.kind(text)
        except ValueError:
            value = math.nan
        if not self.low <= value <= self.high:
            word = "a whole number" if self.kind is int else "a number"
            raise BadValue(f"bad value for {self.name}", repr(text[:40]), f"give {word} from {self.low:g} to {self.high:g}")
        return value


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. The owner comes over control.sock; everybody else with what the gateway says of him."""

    id: str
    scopes: frozenset[str] = frozenset()
    owner: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """One request, read and checked: `path`, `query` and `body` are as the endpoint declares them."""

    request: Request
    services: Services
    caller: Caller
    path: Mapping[str, str]
    query: Mapping[str, Any]
    body: Any = None

    @property
    def wants_events(self) -> bool:
        return "text/event-stream" in self.request.headers.get("accept", "")


# What a handler returns is encoded as JSON, unless it is a response already.
Handler = Callable[[Call], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A handler, the type of its JSON answer, of its body, its query, and its status when all is well.

    `media` is the answer's type when that is not JSON; a text/event-stream has no end that HEAD could wait for.
    """

    handler: Handler
    answer: Any = dict[str, Any]
    body: Any = None
    query: tuple[Query, ...] = ()
    statuses: tuple[int, ...] = (200,)
    media: str = "application/json"


Table = Mapping[tuple[str, str], Endpoint]


def read_query(endpoint: Endpoint, request: Request) -> dict[str, Any]:
    """The declared parameters; others are ignored. Raises BadValue."""
    given = request.query_params
    return {one.name: one.read(given[one.name]) if one.name in given else one.default for one in endpoint.query}


async def read_body(endpoint: Endpoint, request: Request, limit: int) -> Any:
    """The body as the endpoint's type; nothing at all counts as an empty object.

    Raises:
        TooLarge: above `limit` bytes. BadInput: not JSON. BadValue: JSON of another shape.
    """
    if endpoint.body is None:
        return None
    data = bytearray()
    async for part in request.stream():
        data += part
        if len(data) > limit:
            raise TooLarge("the request is too large", f"more than {limit} bytes", "send less, or raise body_limit")
    try:
        return msgspec.json.decode(bytes(data) or b"{}", type=endpoint.body)
    except msgspec.ValidationError as error:
        raise BadValue("the body has the wrong shape", str(error), "see /openapi.json") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadInput("the body is not JSON", str(error), "send one JSON object") from error
