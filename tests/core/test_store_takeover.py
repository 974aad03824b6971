"""vLLM Studio's data taken over: databases made with its own SQL, in every shape that was ever written."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sqlite3
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from studio_core.errors import BadInput, DiskFull, NotFound
from studio_core.store.chat import ChatTable
from studio_core.store.legacy import old_database
from studio_core.store.recipe import RecipeTable
from studio_core.store.store import Store
from studio_core.store.takeover import takeover
from studio_core.usage.sums import lifetime, peaks
from tests.core.control import control

RECIPES = "CREATE TABLE recipes (id TEXT PRIMARY KEY, {column} TEXT NOT NULL, created_at TEXT DEFAULT CURRENT_TIMESTAMP, " \
          "updated_at TEXT DEFAULT CURRENT_TIMESTAMP)"
OTHERS = """
CREATE TABLE mcp_servers (id TEXT PRIMARY KEY, name TEXT NOT NULL, enabled INTEGER DEFAULT 1, command TEXT NOT NULL,
    args TEXT DEFAULT '[]', env TEXT DEFAULT '{}', description TEXT, url TEXT, created_at TEXT DEFAULT CURRENT_TIMESTAMP,
    updated_at TEXT DEFAULT CURRENT_TIMESTAMP);
CREATE TABLE peak_metrics (model_id TEXT PRIMARY KEY, prefill_tps REAL, generation_tps REAL, ttft_ms REAL,
    total_tokens INTEGER DEFAULT 0, total_requests INTEGER DEFAULT 0);
CREATE TABLE lifetime_metrics (key TEXT PRIMARY KEY, value REAL NOT NULL DEFAULT 0);
INSERT INTO mcp_servers (id, name, command, args, env)
VALUES ('exa', 'exa', 'npx', '["exa-mcp-server"]', '{"EXA_API_KEY": "s3cret"}');
INSERT INTO peak_metrics VALUES ('m', NULL, 50.5, 120.0, 1000, 10);
INSERT INTO lifetime_metrics VALUES ('tokens_total', 12345), ('requests_total', 17), ('first_started_at', 1.7e9);
"""
CHATS = """
CREATE TABLE chat_sessions (id TEXT PRIMARY KEY, title TEXT NOT NULL DEFAULT 'New Chat', model TEXT, parent_id TEXT,
    created_at TEXT DEFAULT CURRENT_TIMESTAMP, updated_at TEXT DEFAULT CURRENT_TIMESTAMP);
CREATE TABLE chat_messages (id TEXT PRIMARY KEY, session_id TEXT NOT NULL REFERENCES chat_sessions(id) ON DELETE CASCADE,
    role TEXT NOT NULL, content TEXT, model TEXT, tool_calls TEXT, request_prompt_tokens INTEGER, {tokens}
    request_completion_tokens INTEGER, created_at TEXT DEFAULT CURRENT_TIMESTAMP);
"""
BOTH_TOKENS = "request_tools_tokens INTEGER, request_total_input_tokens INTEGER,"


def make(path: Path, text: str) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path)
    connection.executescript(text)
    return connection


def old(folder: Path, column: str = "data", tokens: str = BOTH_TOKENS) -> Path:
    """An installation of vLLM Studio: controller.db and chats.db."""
    with contextlib.closing(make(folder / "controller.db", RECIPES.format(column=column) + ";" + OTHERS)) as connection:
        rows = [
            ("plain", json.dumps({"id": "plain", "name": "Plain", "model_path": "/m/a", "tp": 2, "backend": "vllm"})),
            ("odd", json.dumps({"id": "odd", "name": "Odd", "model_path": "/m/b", "backend": "exllamav9", "vision": True})),
            ("broken", "{not json"),
        ]
        connection.executemany(f"INSERT INTO recipes (id, {column}) VALUES (?, ?)", rows)
        connection.commit()
    with contextlib.closing(make(folder / "chats.db", CHATS.format(tokens=tokens))) as connection:
        connection.execute("INSERT INTO chat_sessions (id, title, model) VALUES ('c1', 'Zebra', 'plain')")
        for number in range(50):  # all in the same second: only the row order tells
            connection.execute(
                "INSERT INTO chat_messages (id, session_id, role, content, tool_calls, request_prompt_tokens, created_at) "
                "VALUES (?, ?, ?, ?, ?, ?, '2025-12-01 10:00:00')",
                (f"{99 - number:02}", "c1" if number < 49 else "lost", "user", f"text {number}", '[{"id": "t"}]', number),
            )
        if tokens:
            connection.execute("UPDATE chat_messages SET request_tools_tokens = 3, request_total_input_tokens = 4")
        connection.commit()
    return folder / "controller.db"


@pytest_asyncio.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    found = Store(tmp_path / "state" / "controller.db")
    await found.start()
    yield found
    await found.stop()


def prints(folder: Path) -> Iterator[tuple[str, str]]:
    for path in sorted(folder.iterdir()):
        yield path.name, hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("column", ["data", "json"])
@pytest.mark.parametrize("tokens", ["", BOTH_TOKENS])
async def test_no_row_is_lost_and_the_original_stays(store: Store, tmp_path: Path, column: str, tokens: str) -> None:
    path = old(tmp_path / "old", column, tokens)
    before = list(prints(path.parent))
    report = await takeover(store, path)
    assert list(prints(path.parent)) == before
    assert {name: one.taken for name, one in report.tables.items()} == {
        "recipes": 3, "mcp_servers": 1, "peak_metrics": 1, "lifetime_metrics": 3, "chat_sessions": 1, "chat_messages": 50,
    }
    assert not any(one.skipped for one in report.tables.values())
    assert any("recipe broken" in note for note in report.notes)
    stored = {one.id: one for one in await RecipeTable(store).list()}
    assert stored["plain"].recipe is not None and stored["plain"].recipe.tensor_parallel_size == 2
    assert stored["odd"].recipe is not None and stored["odd"].recipe.backend == "exllamav9"
    assert stored["broken"].recipe is None
    chat = await ChatTable(store).get("c1")
    assert [message.content for message in chat.messages] == [f"text {number}" for number in range(49)]
    assert chat.session.title == "Zebra" and chat.messages[7].tool_calls == [{"id": "t"}]
    assert [message.content for message in (await ChatTable(store).get("lost")).messages] == ["text 49"]
    sums = await store.read("SELECT sum(request_total_input_tokens) AS t, sum(request_prompt_tokens) AS p FROM chat_messages")
    assert (sums[0]["t"], sums[0]["p"]) == (200 if tokens else None, sum(range(50)))
    assert not list(store.path.parent.glob("takeover-*"))


async def test_a_second_time_changes_nothing(store: Store, tmp_path: Path) -> None:
    path = old(tmp_path / "old")
    await takeover(store, path)
    tables = ("recipes", "chat_sessions", "chat_messages", "mcp_servers", "peak_metrics", "lifetime_metrics")
    before = [[tuple(row) for row in await store.read(f"SELECT * FROM {table}")] for table in tables]
    report = await takeover(store, path.parent)
    assert [[tuple(row) for row in await store.read(f"SELECT * FROM {table}")] for table in tables] == before
    assert not any(one.taken or one.skipped for one in report.tables.values())
    assert report.tables["chat_messages"].already == 50


async def test_what_is_here_already_is_not_overwritten(store: Store, tmp_path: Path) -> None:
    path = old(tmp_path / "old")
    await takeover(store, path)
    table = RecipeTable(store)
    mine = (await table.usable("plain")).model_copy(update={"name": "Mine"})
    await table.put(mine)
    report = await takeover(store, path)
    assert report.tables["recipes"].skipped == 1 and "recipes plain: one with this id is here already" in " ".join(report.notes)
    assert (await table.usable("plain")).name == "Mine"


async def test_figures_add_to_ours(store: Store, tmp_path: Path) -> None:
    path = old(tmp_path / "old")
    await takeover(store, path)
    await store.write(lambda connection: connection.execute(
        "INSERT INTO requests (id, started_at, ended_at, model, outcome, prompt_tokens, completion_tokens, ttft_s, duration_s) "
        "VALUES ('r', 1, 2, 'm', 'ok', 100, 21, 0.5, 1.5)"
    ).rowcount)
    assert await peaks(store) == [{
        "model_id": "m", "generation_tps": 50.5, "prefill_tps": 200.0, "ttft_ms": 120.0, "total_tokens": 1121,
        "total_requests": 11,
    }]
    counted = await lifetime(store)
    assert (counted["tokens_total"], counted["requests_total"], counted["first_started_at"]) == (12466, 18, 1.7e9)


async def test_a_database_in_use_in_wal_mode_is_taken_whole(store: Store, tmp_path: Path) -> None:
    path = old(tmp_path / "old")
    with contextlib.closing(sqlite3.connect(path)) as writer:
        writer.execute("PRAGMA journal_mode = WAL")
        writer.execute("INSERT INTO recipes (id, data) VALUES ('late', '{}')")
        writer.commit()
        writer.execute("INSERT INTO recipes (id, data) VALUES ('uncommitted', '{}')")
        report = await takeover(store, path)
    assert report.tables["recipes"].taken == 4


@pytest.mark.parametrize("shape", ["list", "servers", "mcpServers"])
async def test_servers_in_a_json_file(store: Store, tmp_path: Path, shape: str) -> None:
    path = old(tmp_path / "old")
    plain = {"command": "uvx", "args": ["time"], "env": {"A": "b"}, "enabled": False}
    listed = [{"name": "time", **plain}]
    body = {"list": listed, "servers": {"servers": listed}, "mcpServers": {"mcpServers": {"time": plain}}}[shape]
    (path.parent / "mcp_servers.json").write_text(json.dumps(body))
    assert (await takeover(store, path)).tables["mcp_servers"].taken == 2
    row = (await store.read("SELECT * FROM mcp_servers WHERE id = 'time'"))[0]
    assert (row["name"], row["enabled"], json.loads(row["args"]), json.loads(row["env"])) == ("time", 0, ["time"], {"A": "b"})


@pytest.mark.parametrize("content", [b"", b"not a database at all, just text", b"SQLite format 3\0" + os.urandom(4096)])
async def test_what_is_no_database_is_refused_in_words(store: Store, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "controller.db"
    path.write_bytes(content)
    with pytest.raises(BadInput) as caught:
        await takeover(store, path)
    assert caught.value.hint or caught.value.detail
    assert path.read_bytes() == content and not list(store.path.parent.glob("takeover-*"))
    with pytest.raises(NotFound):
        await takeover(store, tmp_path / "absent")


async def test_a_full_disk_takes_nothing(store: Store, tmp_path: Path) -> None:
    path = old(tmp_path / "old")
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executemany("INSERT INTO recipes (id, data) VALUES (?, ?)", [(f"r{n}", "x" * 5000) for n in range(200)])
        connection.commit()
    await store.write(lambda connection: connection.execute("PRAGMA max_page_count = 1").fetchone())
    with pytest.raises(DiskFull):
        await takeover(store, path)
    assert await RecipeTable(store).list() == []


async def test_the_route_takes_over_for_the_owner_only(tmp_path: Path) -> None:
    path = old(tmp_path / "old")
    (tmp_path / "state").mkdir()
    async with control(tmp_path / "state") as house:
        async with house.guest("admin") as guest:
            assert (await guest.post("/import/vllm-studio", json={"path": str(path)})).status_code == 403
        answer = await house.owner.post("/import/vllm-studio", json={"path": str(path)})
        assert answer.status_code == 200 and answer.json()["tables"]["recipes"]["taken"] == 3
        assert "s3cret" not in answer.text
        assert {one["id"] for one in (await house.owner.get("/recipes")).json()} == {"plain", "odd", "broken"}
        assert (await house.owner.post("/import/vllm-studio", json={"path": "old"})).status_code == 422
        assert (await house.owner.post("/import/vllm-studio", json={"path": str(tmp_path / "no")})).status_code == 404


def test_an_old_database_is_found_where_it_was(tmp_path: Path) -> None:
    assert old_database(tmp_path) is None
    path = old(tmp_path / "data")
    assert old_database(tmp_path) == path
