"""Requests under way."""

from __future__ import annotations

from studio_core.wire.model import Model


class Flight(Model):
    """One request to an engine. `state` is waiting (for the model), prefill (nothing came yet), streaming or answering.

    `tokens` are the pieces of a stream so far, which engines mostly send one token each; `key` is None for anonymous callers.
    """

    id: str
    age_s: float
    state: str
    model: str
    path: str
    stream: bool = False
    recipe: str | None = None
    instance: str | None = None
    key: str | None = None
    peer: str = ""
    tokens: int = 0
    ttft_s: float | None = None


class Flights(Model):
    """GET /v1/studio/requests: the oldest first, as many as are shown; `total` counts all that the caller may see."""

    requests: list[Flight] = []
    total: int = 0
