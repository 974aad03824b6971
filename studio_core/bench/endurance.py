"""What of the gateway's data plane needs no comparison: who leaves, who is silent, who comes first, what stays after a while."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from statistics import median
from typing import Any

from studio_core.bench.cost import Cost, cost
from studio_core.bench.figure import Row
from studio_core.bench.premises import Premises, until
from studio_core.bench.way import MODEL, Way, client, figures, load
from studio_core.errors import StudioError

# A second recipe of the same engine: whoever asks for one sends the other away.
OTHER = "other"
OPEN = 1000
SWITCHES = 10
# How long the churn goes on: 600 is the real value; its first tenth is not counted.
CHURN_VARIABLE, CHURN_S = "STUDIO_BENCH_CHURN_S", 60.0
WARM = (("rps", "-c", "64", "-d", "1"), ("stream", "-c", "32", "-t", "64", "-n", "20", "-r", "0"))
CHURN = (
    ("rps", "-c", "64", "-d", "1"), ("stream", "-c", "50", "-t", "100", "-n", "50", "-r", "0"),
    ("stream", "-c", "100", "-t", "100", "-n", "20", "-r", "50"), ("rps", "-c", "1", "-b", "8000000", "-d", "0.3"),
)
LAUNCHES = "SELECT marks FROM launches WHERE origin = 'acquire' AND state = 'ready' ORDER BY created_at"
ROWS = "SELECT count(*) FROM requests WHERE ended_at IS NOT NULL"
LEAVE = ("cancel", "-t", "10", "-r", "50")


def gone(way: Way, stub: int, key: str) -> tuple[list[Row], int]:
    """From a client's leaving to the end of the engine's work, and how many requests that took."""
    rows, asked = [], 0
    for name, pace in (("", "50"), (", while it is silent", "-1")):
        one = load(way, key, ("cancel", "-s", str(stub), "-t", "100", "-r", pace))
        count = f"{one['cancel.n']:.0f} of 100, longest {one['cancel.max'] / 1000:.1f} ms"
        rows.append(Row(f"proxy: client gone to upstream closed{name}", one["cancel.p50"] / 1000, "ms", 1.0, count))
        asked += int(one["started"])
    return rows, asked


def unwritten(home: Premises, asked: int, given_up: int = 0) -> Row:
    """Every request has its row. One that its client gave up before it was read had never come: that happens in overload only."""
    rows = 0

    def taken_in() -> bool:
        nonlocal rows
        # Counted in the database: the API's sums over millions of rows take longer than a client waits.
        rows = int(_read(home, ROWS)[0][0])
        return rows >= asked

    lost = f"; the client gave {given_up} up, which may lack a row" if given_up else ""
    with contextlib.suppress(StudioError):
        until(taken_in, "the journal is taken in")
    return Row("proxy: requests without a row", abs(asked - rows), "rows", 0.0, f"{asked} requests, {rows} rows{lost}")


def idle(home: Premises, way: Way, key: str) -> Iterator[Row]:
    """OPEN streams that say nothing, in a gateway that has served a few."""
    asked = sum(int(load(way, key, arguments)["started"]) for arguments in WARM)
    [pid] = way.pids
    before = after = cost(pid)
    arguments = ("hold", "-c", str(OPEN), "-d", "30")
    with subprocess.Popen(client(way, key, arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as holding:
        while holding.poll() is None:
            after = _larger(after, cost(pid))
            time.sleep(0.05)
        out, complaint = holding.communicate()
    held = figures(out, complaint, arguments)
    each = (after.rss - before.rss) / OPEN / 1e3
    note = f"PSS {(after.pss - before.pss) / OPEN / 1e3:.1f} kB; RSS {before.rss / 1e6:.1f} to {after.rss / 1e6:.1f} MB"
    yield Row("proxy: memory of an idle stream", each, "kB", 10.0, note)
    yield Row("proxy: idle streams that were cut", OPEN - held["firsts"], "streams", 0.0, f"{OPEN} open")
    yield unwritten(home, asked + int(held["started"]))


def _larger(one: Cost, other: Cost) -> Cost:
    return max(one, other, key=lambda each: each.rss)


def churn(home: Premises, way: Way, key: str) -> Iterator[Row]:
    """Memory while clients come, ask, stream, leave early and send megabytes, again and again."""
    length = float(os.environ.get(CHURN_VARIABLE, CHURN_S))
    stub = next(one.port for one in home.client.instances())
    [pid] = way.pids
    began, asked = time.monotonic(), 0
    sizes: list[tuple[float, int]] = []
    while (passed := time.monotonic() - began) < length:
        for arguments in (*CHURN, (*LEAVE, "-s", str(stub))):
            asked += int(load(way, key, arguments)["started"])
        sizes.append((passed, cost(pid).rss))
    warm = [size for passed, size in sizes if passed <= length / 10] or [sizes[0][1]]
    late = [size for passed, size in sizes if passed > length * 0.9] or [sizes[-1][1]]
    growth = (median(late) / warm[-1] - 1) * 100
    note = f"{warm[-1] / 1e6:.1f} to {median(late) / 1e6:.1f} MB, {asked} requests in {length:.0f} s (600 is the real value)"
    yield Row("proxy: growth of memory by churn", growth, "%", 3.0, note)
    yield unwritten(home, asked)


def acquire(home: Premises, way: Way, key: str) -> Iterator[Row]:
    """A request for a cold model: what it took beyond the launch that it led to, from the launch's creation to ready."""
    beyond: list[float] = []
    for turn in range(SWITCHES):
        took = _answered(way, key, (OTHER, MODEL)[turn % 2])
        until(lambda: len(_launches(home)) > len(beyond), "the launch is written down")
        beyond.append((took - _launches(home)[-1]) * 1000)
    note = f"{min(beyond):.1f} to {max(beyond):.1f} ms in {SWITCHES} switches"
    yield Row("proxy: a cold model's answer beyond its launch", median(beyond), "ms", 5.0, note)


def _answered(way: Way, key: str, model: str) -> float:
    """Seconds to a whole answer. Raises StudioError."""
    body = json.dumps({"model": model, "messages": []})
    connection = http.client.HTTPConnection("127.0.0.1", way.port, timeout=120)
    began = time.monotonic()
    with contextlib.closing(connection):
        connection.request("POST", "/v1/chat/completions", body, {"Authorization": f"Bearer {key}"})
        answer = connection.getresponse()
        text = answer.read()
    if answer.status != 200:
        raise StudioError("a request for a cold model failed", f"{answer.status}: {text[:300]!r}")
    return time.monotonic() - began


def _launches(home: Premises) -> list[float]:
    """Seconds to ready of each launch that requests led to, in their order."""
    return [json.loads(marks)["ready"] for (marks,) in _read(home, LAUNCHES)]


def _read(home: Premises, question: str) -> list[tuple[Any, ...]]:
    with contextlib.closing(sqlite3.connect(f"file:{home.places.root / 'controller.db'}?mode=ro", uri=True)) as store:
        return store.execute(question).fetchall()
