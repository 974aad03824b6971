"""`python -m tests.core.fuzz NAME RUNS`: atheris on a parser of the gateway; nothing but the gateway's own errors may come."""

from __future__ import annotations

import contextlib
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["studio_core.gateway"]):
    import studio_core.gateway.upstream  # noqa: F401 - what the exchange of the tests uses
    from studio_core.gateway.filter import filtered
    from studio_core.gateway.inbox import Inbox
    from studio_core.gateway.observation import Observation, tokens
    from studio_core.gateway.table import Filters
    from studio_core.gateway.wish import peek, spliced

from studio_core.errors import BadInput
from tests.core.test_gateway_inbox import Porter
from tests.core.test_gateway_upstream import exchange

RULES = Filters(strip=["a"], set={"b": 1}, default={"c": None}, clamp={"d": (0, 1), "e": (None, 2.5)})


def inbox(data: bytes) -> None:
    """Any split gives the same requests, and a dead one takes no more. How much was read of a refused one is no matter."""
    step = data[0] % 7 + 1 if data else 1
    found = []
    for size in (len(data) + 1, step):
        one = Inbox(Porter(), "127.0.0.1")
        for at in range(0, len(data), size):
            one.feed(data[at : at + size])
        refused = [each for each in one.ready if isinstance(each.serve, partial)]
        found.append([None if each in refused else (each.method, each.target, each.body) for each in one.ready])
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
    tokens(watch.usage)


def body(data: bytes) -> None:
    """A body that is taken for a request can be filtered."""
    _, problem = peek(data)
    if problem is None:
        for change in (partial(filtered, data, RULES, "/v1/chat/completions"), partial(spliced, data, {"model": "m"})):
            with contextlib.suppress(BadInput):
                assert peek(change())[1] is None


TARGETS: dict[str, Callable[[bytes], None]] = {"inbox": inbox, "upstream": upstream, "observation": observation, "body": body}
HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
EVENT = b'data: {"id":"c","choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}]}\n\n'
LAST = b'data: {"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":2}}\n\ndata: [DONE]\n\n'
OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
# What is right: from nothing it would take too many runs to get past the first line.
SEEDS: dict[str, tuple[bytes, ...]] = {
    "inbox": (
        b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n" * 2, HEAD + b'Content-Length: 2\r\n\r\n{}',
        HEAD + b"Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        b"GET http://x:80/a?b HTTP/1.0\r\nHost: x:80\r\nConnection: keep-alive\r\n\r\n",
    ),
    "upstream": (
        OK + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(EVENT), EVENT),
        OK + b"Content-Length: 2\r\nConnection: close\r\n\r\n{}", b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"\r\n" + EVENT,
    ),
    "observation": (EVENT * 2 + LAST, b": ping\r\n\r\n" + EVENT.replace(b"\n", b"\r\n") + LAST),
    "body": (
        b'{"model":"tiny","stream":true,"messages":[],"a":1,"d":5,"e":9.5,"stream_options":{"include_usage":false}}',
        b'{"mod\\u0065l":"a\\ud83d\\ude00","x":[{"model":"no"}],"model":"tiny"}',
    ),
}


if __name__ == "__main__":
    name, runs = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        for number, seed in enumerate(SEEDS[name]):
            (Path(folder) / str(number)).write_bytes(seed)
        atheris.Setup([sys.argv[0], f"-atheris_runs={runs}", "-max_len=2048", f"-artifact_prefix={folder}/", folder], TARGETS[name])
        atheris.Fuzz()
