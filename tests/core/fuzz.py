"""`python -m tests.core.fuzz NAME RUNS`: atheris on a parser of the gateway; nothing but the gateway's own errors may come."""

from __future__ import annotations

import sys
from collections.abc import Callable

import atheris

with atheris.instrument_imports(include=["studio_core.gateway"]):
    import studio_core.gateway.upstream  # noqa: F401 - what the exchange of the tests uses
    from studio_core.gateway.filter import filtered
    from studio_core.gateway.inbox import Inbox
    from studio_core.gateway.observation import Observation
    from studio_core.gateway.table import Filters
    from studio_core.gateway.wish import peek

from tests.core.test_gateway_inbox import Porter
from tests.core.test_gateway_upstream import exchange

RULES = Filters(strip=["a"], set={"b": 1}, default={"c": None}, clamp={"d": (0, 1), "e": (None, 2.5)})


def inbox(data: bytes) -> None:
    """Any split gives the same requests, and a dead one takes no more."""
    step = data[0] % 7 + 1 if data else 1
    found = []
    for size in (len(data) + 1, step):
        one = Inbox(Porter(), "127.0.0.1")
        for at in range(0, len(data), size):
            one.feed(data[at : at + size])
        found.append([(request.method, request.target, request.body) for request in one.ready])
    whole, pieces = found
    assert whole[: len(pieces)] == pieces or pieces[: len(whole)] == whole, (whole, pieces)


def upstream(data: bytes) -> None:
    """It ends at most once, and whole or broken when the other side closes."""
    step = data[0] % 7 + 1 if data else 1
    one = exchange(*(data[at : at + step] for at in range(0, len(data), step)), close=True)
    assert one.whole or one.error is not None


def observation(data: bytes) -> None:
    """What goes in comes out."""
    watch, step = Observation(), data[0] % 7 + 1 if data else 1
    out = b"".join(watch.feed(data[at : at + step]) for at in range(0, len(data), step)) + watch.end()
    assert out == data
    watch.ended("r", 200, "ok", None, None)


def body(data: bytes) -> None:
    """A body that is taken for a request can be filtered."""
    _, problem = peek(data)
    if problem is None:
        filtered(data, RULES, "/v1/chat/completions")


TARGETS: dict[str, Callable[[bytes], None]] = {"inbox": inbox, "upstream": upstream, "observation": observation, "body": body}


if __name__ == "__main__":
    atheris.Setup([sys.argv[0], f"-atheris_runs={sys.argv[2]}", "-max_len=2048"], TARGETS[sys.argv[1]])
    atheris.Fuzz()
