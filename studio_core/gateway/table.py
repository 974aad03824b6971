"""The route table: all that the gateway knows of models, pushed whole by the controller at every change.

Also the lines of the link between the two. Light enough for both ends; neither end imports the other.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, NamedTuple

import msgspec

from studio_core.wire.flight import Flight

PROTOCOL = 1


class Upstream(msgspec.Struct, kw_only=True, dict=True):
    """Where an engine listens, the key it wants, the model name it knows, and names of adapters to `keep` as they are."""

    host: str
    port: int
    key: str = ""
    model: str = ""
    keep: list[str] = []

    @cached_property
    def where(self) -> tuple[str, int]:
        return self.host, self.port

    @cached_property
    def lines(self) -> bytes:
        """What is the same in the head of every request to it."""
        key = f"authorization: Bearer {self.key}\r\n" if self.key else ""
        return f"host: {self.host}:{self.port}\r\nconnection: keep-alive\r\n{key}".encode()

    def name(self, asked: str) -> str:
        """The model's name as the engine knows it, asked for by one of its public names; "" where any will do."""
        folded = asked.lower()
        return next((name for name in self.keep if name.lower() == folded), self.model) if self.keep else self.model


class Cause(msgspec.Struct, kw_only=True):
    """Why a route does not serve, as a caller reads it: a StudioError's texts."""

    title: str
    detail: str = ""
    hint: str = ""


class Filters(msgspec.Struct, kw_only=True):
    """What is changed in requests for a route: fields by name; `clamp` has [low, high], None for no bound."""

    strip: list[str] = []
    default: dict[str, Any] = {}
    set: dict[str, Any] = {}
    clamp: dict[str, tuple[int | float | None, int | float | None]] = {}


class Route(msgspec.Struct, kw_only=True):
    """One recipe as the gateway serves it.

    `state` is ready, loading, cold, held, sleeping, draining or failed. `names` are its public names and aliases,
    `upstream` is there while an instance could answer, `percent` and `stage` while it loads.
    """

    recipe: str
    names: list[str]
    state: str
    instance: str | None = None
    engine: str = ""
    upstream: Upstream | None = None
    stage: str = ""
    percent: float | None = None
    cause: Cause | None = None
    created: int = 0
    max_model_len: int | None = None
    filters: Filters | None = None


    def way(self, name: str) -> Way | None:
        """Where a request for this name goes whose body is for the engine now, and as it came."""
        target = self.upstream
        if self.state != "ready" or self.instance is None or target is None or self.filters is not None:
            return None
        return Way(self, self.instance, target) if not target.keep and target.model in ("", name) else None


class Way(NamedTuple):
    """A route that serves."""

    route: Route
    instance: str
    target: Upstream


class Key(msgspec.Struct, kw_only=True):
    """An API key by its SHA-256 (hex of the key's bytes), never the key itself."""

    id: str
    sha256: str
    scopes: list[str]


class Policy(msgspec.Struct, kw_only=True):
    """What the settings say about callers and limits."""

    remote_admin: bool = False
    allowed_hosts: list[str] = []
    allowed_origins: list[str] = []
    queue_limit: int = 512
    body_limit: int = 64 * 1024 * 1024
    ping_s: float = 15.0
    hold_headers_s: float = 10.0
    head_s: float = 10.0
    body_s: float = 30.0
    idle_s: float = 75.0
    stall_s: float = 90.0


class Table(msgspec.Struct, kw_only=True):
    """The whole truth of one moment. `version` is (controller start id, counter); a new start id is always newer."""

    version: tuple[str, int]
    routes: list[Route] = []
    keys: list[Key] = []
    policy: Policy = msgspec.field(default_factory=Policy)
    protocol: int = PROTOCOL


# Lines of the link, one JSON object each, told apart by `t`. Gateway to controller:


class Hello(msgspec.Struct, kw_only=True, tag="hello", tag_field="t"):
    """First line. The listening socket travels with it as SCM_RIGHTS, so the controller can hand it on; not of one that retired."""

    gateway: str
    pid: int
    ticks: int
    version: str
    config: str
    host: str
    port: int
    started_at: str
    retired: bool = False
    protocol: int = PROTOCOL


class Acquire(msgspec.Struct, kw_only=True, tag="acquire", tag_field="t"):
    """Requests wait for this recipe. Not answered: the table that says ready releases them."""

    recipe: str
    waiting: int


class Drained(msgspec.Struct, kw_only=True, tag="drained", tag_field="t"):
    """No request is in flight to this instance, and its route is closed since this table version."""

    instance: str
    version: tuple[str, int]


class Taken(msgspec.Struct, kw_only=True, tag="taken", tag_field="t"):
    """Requests are routed by the table of this version from here on."""

    version: tuple[str, int]


class Counts(msgspec.Struct, kw_only=True, tag="counts", tag_field="t"):
    """Requests in flight per instance and waiting per recipe; sent on change, at most 4 times a second.

    `entered` counts those that were ever let in to each instance of the table: what came and went between two lines shows there.
    """

    inflight: dict[str, int]
    waiting: dict[str, int]
    entered: dict[str, int] = {}


class Told(msgspec.Struct, kw_only=True, tag="told", tag_field="t"):
    """The answer to the `Ask` of this number: requests under way here, `total` of them, and whether one was cut."""

    number: int
    flights: list[Flight]
    total: int
    found: bool = False


# Controller to gateway:


class Push(msgspec.Struct, kw_only=True, tag="table", tag_field="t"):
    table: Table


class Ask(msgspec.Struct, kw_only=True, tag="ask", tag_field="t"):
    """What is under way? Before that, the request `cut` is cancelled, if it is here, in the name of the key `by`."""

    number: int
    cut: str = ""
    by: str = ""


class Retire(msgspec.Struct, kw_only=True, tag="retire", tag_field="t"):
    """Accept no more (a successor holds the socket, or Studio goes down), finish what runs, exit."""

    deadline_s: float


FromGateway = Hello | Acquire | Drained | Taken | Counts | Told
FromController = Push | Retire | Ask
