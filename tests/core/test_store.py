"""The database: its schema, its refusals, its transactions, and what a person is told, with real SQLite files."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sqlite3
import stat
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from studio_core.engines.forecast import Start
from studio_core.errors import BadRecipe, DiskFull, NotFound, RecipeChanged, StoreError
from studio_core.paths import Places
from studio_core.recipes.recipe import parse
from studio_core.store.key import KeyTable, digest, ensure_admin_key
from studio_core.store.launch import LastReady, LaunchRow, LaunchTable
from studio_core.store.migration import VERSION
from studio_core.store.recipe import RecipeTable
from studio_core.store.store import Store
from tests.wait import eventually

COLUMNS = {
    "recipes": {"id", "data", "created_at", "updated_at"},
    "chat_sessions": {"id", "title", "model", "parent_id", "created_at", "updated_at"},
    "chat_messages": {
        "id", "session_id", "role", "content", "model", "tool_calls", "request_prompt_tokens", "request_tools_tokens",
        "request_total_input_tokens", "request_completion_tokens", "created_at",
    },
    "mcp_servers": {"id", "name", "enabled", "command", "args", "env", "description", "url", "created_at", "updated_at"},
    "peak_metrics": {"model_id", "prefill_tps", "generation_tps", "ttft_ms", "total_tokens", "total_requests"},
    "lifetime_metrics": {"key", "value"},
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "controller.db"


@pytest_asyncio.fixture
async def store(path: Path) -> AsyncIterator[Store]:
    async with opened(path) as found:
        yield found


@contextlib.asynccontextmanager
async def opened(path: Path) -> AsyncIterator[Store]:
    store = Store(path)
    await store.start()
    try:
        yield store
    finally:
        await store.stop()


def content(path: Path) -> bytes:
    return path.read_bytes()


def spoil(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def insert(connection: sqlite3.Connection, name: str) -> None:
    connection.execute("INSERT INTO recipes (id, data) VALUES (?, '{}')", (name,))


async def test_the_tables_of_vllm_studio_have_its_columns(store: Store) -> None:
    for table, columns in COLUMNS.items():
        found = {row["name"] for row in await store.read(f"SELECT name FROM pragma_table_info('{table}')")}
        assert columns <= found, table
    assert (await store.read("PRAGMA journal_mode"))[0][0] == "wal"
    assert stat.S_IMODE(store.path.stat().st_mode) == 0o600


async def test_readers_cannot_write_and_do_not_wait_for_the_writer(store: Store) -> None:
    with pytest.raises(StoreError, match="readonly"):
        await store.read("INSERT INTO recipes (id, data) VALUES ('a', '{}')")
    begun, go = threading.Event(), threading.Event()

    def work(connection: sqlite3.Connection) -> None:
        insert(connection, "slow")
        begun.set()
        go.wait(60)

    writing = asyncio.create_task(store.write(work))
    await eventually(begun.is_set)
    assert await store.read("SELECT * FROM recipes") == [] and not writing.done()
    go.set()
    await writing
    assert len(await store.read("SELECT * FROM recipes")) == 1


async def test_an_error_undoes_its_whole_transaction(store: Store) -> None:
    def work(connection: sqlite3.Connection) -> None:
        insert(connection, "a")
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await store.write(work)
    assert await store.read("SELECT * FROM recipes") == []
    await store.write(lambda connection: insert(connection, "b"))
    assert len(await store.read("SELECT * FROM recipes")) == 1


async def test_a_full_disk_is_said_and_loses_nothing(store: Store) -> None:
    await store.write(lambda connection: insert(connection, "a"))
    await store.write(lambda connection: connection.execute("PRAGMA max_page_count = 1").fetchone())
    with pytest.raises(DiskFull):
        await store.write(lambda connection: connection.execute("INSERT INTO recipes VALUES ('b', ?, '', '', 1)", ("x" * 200_000,)))
    assert [row["id"] for row in await store.read("SELECT id FROM recipes")] == ["a"]
    await store.write(lambda connection: connection.execute("PRAGMA max_page_count = 100000").fetchone())
    await store.write(lambda connection: insert(connection, "b"))


async def test_a_newer_database_is_refused_in_words_and_untouched(path: Path) -> None:
    async with opened(path):
        pass
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    before = content(path)
    with pytest.raises(StoreError, match="newer version") as caught:
        await Store(path).start()
    assert "upgrade" in caught.value.hint and content(path) == before
    assert not list(path.parent.glob("*.before-*"))


@pytest.mark.parametrize("harm", ["text", "header", "pages", "half"])
async def test_a_corrupt_database_is_set_aside_and_said(path: Path, harm: str) -> None:
    async with opened(path) as store:
        for number in range(200):
            await store.write(lambda connection, name=f"r{number}": insert(connection, name))  # type: ignore[misc]
    whole = content(path)
    broken = {
        "text": b"this is my shopping list\n" * 100, "header": os.urandom(100) + whole[100:],
        "pages": whole[:4096] + b"\xff" * 8192 + whole[12288:], "half": whole[: len(whole) // 2],
    }[harm]
    spoil(path, broken)
    async with opened(path) as store:
        aside = list(path.parent.glob("controller.db.corrupt-*"))
        assert len(aside) == 1 and aside[0].read_bytes() == broken
        assert len(store.notices) == 1 and aside[0].name in store.notices[0]
        await store.write(lambda connection: insert(connection, "new"))
    async with opened(path) as again:
        assert again.notices == [] and len(await again.read("SELECT * FROM recipes")) == 1


async def test_a_file_that_vllm_studio_made_is_migrated_in_place_after_a_backup(path: Path) -> None:
    path.parent.mkdir()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            "CREATE TABLE recipes (id TEXT PRIMARY KEY, json TEXT NOT NULL, created_at TEXT, updated_at TEXT);"
            "CREATE TABLE lifetime_metrics (key TEXT PRIMARY KEY, value REAL NOT NULL DEFAULT 0);"
            """INSERT INTO recipes VALUES ('a', '{"id": "a", "model_path": "/m"}', 't', 't');"""
        )
    async with opened(path) as store:
        assert (await RecipeTable(store).usable("a")).model_path == "/m"
    backup = path.with_name("controller.db.before-1")
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    with contextlib.closing(sqlite3.connect(backup)) as old:
        assert old.execute("SELECT json FROM recipes").fetchone()[0] == '{"id": "a", "model_path": "/m"}'


async def test_recipes_are_versioned_and_a_broken_row_hides_no_other(store: Store) -> None:
    table = RecipeTable(store)
    recipe = parse({"id": "a", "model_path": "/m"})
    assert [await table.put(recipe), await table.put(recipe), await table.put(recipe, 2)] == [1, 2, 3]
    with pytest.raises(RecipeChanged):
        await table.put(recipe, 2)
    await store.write(lambda connection: connection.execute("INSERT INTO recipes (id, data) VALUES ('b', 'oops')").rowcount)
    assert [(one.id, one.recipe is None) for one in await table.list()] == [("a", False), ("b", True)]
    with pytest.raises(BadRecipe):
        await table.usable("b")
    await table.delete("b")
    with pytest.raises(NotFound):
        await table.delete("b")


async def test_keys_are_kept_as_digests_and_the_admin_key_is_written_once(store: Store, tmp_path: Path) -> None:
    places, keys = Places(tmp_path / "state"), KeyTable(store)
    await ensure_admin_key(places, keys)
    text = places.admin_key.read_text()
    await ensure_admin_key(places, keys)
    assert places.admin_key.read_text() == text and stat.S_IMODE(places.admin_key.stat().st_mode) == 0o600
    made = await keys.create("ci", ("inference",))
    assert len(bytes.fromhex(made.removeprefix("sk-"))) == 32
    stored = await keys.list()
    assert {(key.name, key.sha256, key.scopes) for key in stored} == {
        ("admin", digest(text.strip()), ("admin",)), ("ci", digest(made), ("inference",)),
    }
    everything = json.dumps([[str(value) for value in row] for row in await store.read("SELECT * FROM keys")])
    assert made not in everything and text.strip() not in everything


async def test_a_lost_database_learns_the_admin_key_again(tmp_path: Path) -> None:
    places = Places(tmp_path / "state")
    for name in ("one.db", "two.db"):
        async with opened(places.root / name) as store:
            keys = KeyTable(store)
            await ensure_admin_key(places, keys)
            assert [key.sha256 for key in await keys.list()] == [digest(places.admin_key.read_text().strip())]


async def test_the_last_start_that_became_ready_is_known(store: Store) -> None:
    table = LaunchTable(store)
    for number, (state, total) in enumerate([("ready", 5.0), ("ready", 7.0), ("failed", None)]):
        await table.add(LaunchRow(f"l{number}", "a", "vllm", "person", state, None, f"2026-01-0{number + 1}", {}, total, ""))
    assert await table.last_ready() == {"a": LastReady("2026-01-02", 7.0)}


async def test_starts_come_back_as_they_were_the_newest_first(store: Store) -> None:
    table, found = LaunchTable(store), [Start(float(n), {"load": n / 2}, "shape", "1.0", "warm") for n in range(60)]
    for number, one in enumerate(found):
        await table.add(LaunchRow(f"l{number}", "a", "vllm", "person", "ready", None, f"2026-01-01T{number:02}", {}, 1.0, "", one))
    await table.add(LaunchRow("failed", "a", "vllm", "person", "failed", None, "2027", {}, None, "no memory"))
    await table.add(LaunchRow("other", "b", "vllm", "person", "ready", None, "2027", {}, 1.0, "", found[0]))
    assert await table.starts("a") == found[:-51:-1]
    assert await table.starts("c") == []
