"""What is kept of a table in memory: read once, and never older than the last write, whoever reads or leaves meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from studio_core.errors import NotFound, RecipeChanged
from studio_core.recipes.recipe import parse
from studio_core.store.kept import Kept
from studio_core.store.key import KeyTable
from studio_core.store.recipe import RecipeTable
from studio_core.store.store import Store
from studio_core.store.takeover import takeover
from tests.wait import eventually


@pytest_asyncio.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    found = Store(tmp_path / "controller.db")
    await found.start()
    yield found
    await found.stop()


class Reads(RecipeTable):
    """Counts how often the file is read."""

    count = 0

    async def _all(self) -> dict[str, object]:  # type: ignore[override]
        self.count += 1
        return {**await super()._all()}


async def test_a_table_is_read_once_and_after_each_write(store: Store) -> None:
    table = Reads(store)
    for name in ("a", "b"):
        await table.put(parse({"id": name, "model_path": "/m"}))
        assert [one.id for one in await table.list()] == ["a", "b"][: table.count]
        assert (await table.usable(name)).model_path == "/m" and table.kept.known
    with pytest.raises(RecipeChanged):
        await table.put(parse({"id": "b", "model_path": "/n"}), version=7)
    assert table.kept.known
    await table.delete("b")
    with pytest.raises(NotFound):
        await table.get("b")
    assert table.count == 3


async def test_a_key_that_was_revoked_is_gone_at_once(store: Store) -> None:
    keys = KeyTable(store)
    await keys.create("ci", ("inference",))
    [one] = await keys.list()
    await keys.revoke(one.id)
    assert await keys.list() == []


async def test_what_is_taken_over_is_seen(store: Store, tmp_path: Path) -> None:
    table = RecipeTable(store)
    assert await table.list() == []
    (tmp_path / "old").mkdir()
    with contextlib.closing(sqlite3.connect(tmp_path / "old" / "controller.db")) as old:
        old.executescript(
            "CREATE TABLE recipes (id TEXT PRIMARY KEY, data TEXT NOT NULL, created_at TEXT, updated_at TEXT);"
            """INSERT INTO recipes VALUES ('a', '{"id": "a", "model_path": "/m"}', 't', 't');"""
        )
    await takeover(store, tmp_path / "old", table.kept.written)
    assert [one.id for one in await table.list()] == ["a"]


async def test_whoever_reads_during_a_write_keeps_nothing_old() -> None:
    rows, gate = ["old"], asyncio.Event()

    async def read() -> list[str]:
        found = list(rows)
        await gate.wait()
        return found

    kept = Kept(read)
    early = asyncio.create_task(kept.value())
    await asyncio.sleep(0)
    rows[:] = ["new"]
    kept.written()
    gate.set()
    assert await early == ["old"] and not kept.known
    assert await kept.value() == ["new"] and kept.known


async def test_a_write_whose_caller_has_left_counts_too(store: Store) -> None:
    table, inside, go = RecipeTable(store), threading.Event(), threading.Event()

    def work(connection: sqlite3.Connection) -> None:
        connection.execute("""INSERT INTO recipes (id, data) VALUES ('a', '{"id": "a", "model_path": "/m"}')""")
        inside.set()
        go.wait(60)

    writing = asyncio.create_task(store.write(work, table.kept.written))
    await asyncio.to_thread(inside.wait, 10)
    writing.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await writing
    assert await table.list() == []
    go.set()
    await eventually(table.list)
