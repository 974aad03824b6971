"""The journal becomes rows: torn and broken lines, order, deaths, a full disk, with real files and a real database."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from studio_core.errors import DiskFull
from studio_core.gateway.journal import Journal
from studio_core.paths import Places
from studio_core.store.store import Store
from studio_core.usage.ingest import Ingest
from studio_core.usage.line import COLUMNS, parse
from tests.wait import eventually


def line(kind: str, number: int, **fields: Any) -> bytes:
    return json.dumps({"t": kind, "id": f"r{number}", "at": 1000.0 + number, **fields}).encode() + b"\n"


@pytest.fixture
def places(tmp_path: Path) -> Places:
    found = Places(tmp_path / "state")
    found.create()
    return found


@pytest_asyncio.fixture
async def store(places: Places) -> AsyncIterator[Store]:
    found = Store(places.root / "controller.db")
    await found.start()
    yield found
    await found.stop()


def lock(places: Places, writer: str) -> int:
    """What a living writer holds."""
    handle = os.open(places.journal / f"{writer}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(handle, fcntl.LOCK_EX)
    return handle


async def rows(store: Store) -> dict[str, dict[str, Any]]:
    return {row["id"]: dict(row) for row in await store.read("SELECT * FROM requests")}


async def test_every_line_of_the_gateways_own_journal_becomes_a_row(places: Places, store: Store) -> None:
    journal, ingest = Journal(places.journal, "g1"), Ingest(store, places)
    await ingest.start()
    for number in range(2000):
        journal.line(t="start", id=f"r{number}", at=5.0, model="m", path="/v1/chat/completions", stream=True)
        journal.line(t="end", id=f"r{number}", at=7.0, status=200, outcome="ok", completion_tokens=number, duration_s=2.0)
    journal.close()
    await ingest.stop()
    found = await rows(store)
    assert len(found) == 2000 and all(row["outcome"] == "ok" and row["model"] == "m" for row in found.values())
    assert sum(row["completion_tokens"] for row in found.values()) == sum(range(2000))
    assert list(places.journal.iterdir()) == []
    assert not await store.read("SELECT * FROM journal")


async def test_it_is_watched_without_being_asked(places: Places, store: Store) -> None:
    handle, ingest = lock(places, "g1"), Ingest(store, places)
    await ingest.start()
    segment = places.journal / "g1-000001.jsonl"
    segment.write_bytes(line("start", 1))
    await eventually(lambda: rows(store), what="the row")
    with segment.open("ab") as file:
        file.write(line("end", 1, outcome="ok", status=200))

    async def ended() -> bool:
        return bool((await rows(store))["r1"]["outcome"] == "ok")

    await eventually(ended, what="the end")
    assert segment.exists(), "its writer lives and has not closed it"
    os.close(handle)
    await eventually(lambda: not segment.exists(), what="a dead writer's segment gone")
    await ingest.stop()


async def test_a_torn_line_waits_for_its_rest(places: Places, store: Store) -> None:
    handle, ingest = lock(places, "g1"), Ingest(store, places)
    segment, text = places.journal / "g1-000001.jsonl", line("start", 1)
    segment.write_bytes(text[:10])
    await ingest.flush()
    assert not await rows(store)
    segment.write_bytes(text)
    await ingest.flush()
    assert list(await rows(store)) == ["r1"] and ingest.bad == 0
    os.close(handle)


async def test_only_the_dead_are_interrupted_and_a_later_end_still_wins(places: Places, store: Store) -> None:
    handle, ingest = lock(places, "alive"), Ingest(store, places)
    (places.journal / "alive-000001.jsonl").write_bytes(line("start", 1))
    (places.journal / "dead-000001.jsonl").write_bytes(line("start", 2) + line("start", 3))
    (places.journal / "dead-000002.jsonl").write_bytes(line("end", 3, outcome="ok", status=200))
    await ingest.flush()
    found = await rows(store)
    assert [found[name]["outcome"] for name in ("r1", "r2", "r3")] == [None, "interrupted", "ok"]
    (places.journal / "dead-000003.jsonl").write_bytes(line("end", 2, outcome="ok", status=200))
    await ingest.flush()
    assert (await rows(store))["r2"]["outcome"] == "ok"
    os.close(handle)


async def test_a_lock_that_is_about_to_be_taken_is_left_alone(places: Places, store: Store) -> None:
    young, old = places.journal / "young.lock", places.journal / "old.lock"
    young.touch()
    old.touch()
    os.utime(old, (time.time() - 3600, time.time() - 3600))
    await Ingest(store, places).flush()
    assert young.exists() and not old.exists()


async def test_broken_lines_are_counted_and_stop_nothing(places: Places, store: Store) -> None:
    ingest = Ingest(store, places)
    broken = b"not json\n[1]\n{}\n\xff\xfe\n" + b'{"t":"end","id":7}\n' + b"[" * 100_000 + b"\n"
    odd = line("end", 2, status={"a": 1}, chunks=2**70, error=["x"], outcome="ok")
    (places.journal / "g-000001.jsonl").write_bytes(broken + line("start", 1) + odd)
    await ingest.flush()
    found = await rows(store)
    assert set(found) == {"r1", "r2"} and ingest.bad == 6
    assert (found["r2"]["status"], found["r2"]["chunks"], found["r2"]["error"]) == (None, None, None)


async def test_a_line_longer_than_a_chunk_is_taken(places: Places, store: Store) -> None:
    (places.journal / "g-000001.jsonl").write_bytes(line("end", 1, error="x" * 3_000_000, outcome="failed") + line("start", 2))
    await Ingest(store, places).flush()
    assert len((await rows(store))["r1"]["error"]) == 3_000_000


async def test_a_full_disk_loses_nothing(places: Places, store: Store) -> None:
    def limit(pages: int) -> Any:
        return lambda connection: connection.execute(f"PRAGMA max_page_count = {pages}").fetchone()

    ingest = Ingest(store, places)
    many = b"".join(line("end", number, error="x" * 500, outcome="failed") for number in range(500))
    (places.journal / "g-000001.jsonl").write_bytes(many)
    await store.write(limit(1))
    with pytest.raises(DiskFull):
        await ingest.flush()
    assert not await rows(store)
    await ingest.start()
    assert "disk is full" in ingest.problem
    await store.write(limit(1_000_000))
    await ingest.flush()
    assert len(await rows(store)) == 500
    await ingest.stop()
    assert ingest.problem == ""


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from(["start", "end"]), st.integers(0, 4)), max_size=20), st.randoms(use_true_random=False))
def test_any_order_and_any_repetition_give_the_same_rows(tmp_path_factory: Any, told: list[tuple[str, int]], random: Any) -> None:
    lines = [line(kind, number, **({"outcome": "ok", "status": 200} if kind == "end" else {"model": "m"})) for kind, number in told]
    shuffled = [*lines, *lines]
    random.shuffle(shuffled)

    async def taken(order: list[bytes]) -> dict[str, dict[str, Any]]:
        places = Places(tmp_path_factory.mktemp("state", numbered=True))
        os.chmod(places.root, 0o700)
        places.create()
        store = Store(places.root / "controller.db")
        await store.start()
        try:
            (places.journal / "g-000001.jsonl").write_bytes(b"".join(order))
            await Ingest(store, places).flush()
            return await rows(store)
        finally:
            await store.stop()

    assert asyncio.run(taken(lines)) == asyncio.run(taken(shuffled))


@given(st.binary(max_size=200))
def test_no_bytes_break_the_parser(data: bytes) -> None:
    lines, bad = parse(data + b"\n")
    assert bad >= 0 and all(len(one.values) == len(COLUMNS) for one in lines)


@given(st.lists(st.fixed_dictionaries({"t": st.sampled_from(["start", "end"]), "id": st.text(min_size=1, max_size=8)}, optional={
    "at": st.floats(1.0, 2e9), "duration_s": st.none() | st.floats(0.0, 9e5), "stream": st.booleans(),
    "model": st.none() | st.text(max_size=8), "chunks": st.integers(0, 2**63 - 1), "status": st.just(200),
}), max_size=5))
def test_a_line_that_says_something_else_changes_nothing_of_its_neighbours(rows: list[dict[str, Any]]) -> None:
    """They are read at once without it, and one by one with it."""
    text = b"".join(json.dumps({"at": 1.0, **row}).encode() + b"\n" for row in rows)
    for odd in (b'{"t":"end","id":"odd","at":1.0,"path":["?"]}\n', b'{"t":"end","id":"odd","at":1.0,"chunks":%d}\n' % 2**70):
        lines, bad = parse(text + odd)
        assert (lines[:-1], bad) == parse(text) and lines[-1].id == "odd"
