"""The database's schema as numbered steps. vLLM Studio's tables keep its columns; ours stand beside them."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

Step = Callable[[sqlite3.Connection], None]


def _statements(*texts: str) -> Step:
    def run(connection: sqlite3.Connection) -> None:
        for text in texts:
            connection.execute(text)

    return run


_NOW = "TEXT DEFAULT CURRENT_TIMESTAMP"

_TABLES = _statements(
    f"""CREATE TABLE IF NOT EXISTS recipes (
        id TEXT PRIMARY KEY, data TEXT NOT NULL, created_at {_NOW}, updated_at {_NOW})""",
    f"""CREATE TABLE IF NOT EXISTS chat_sessions (
        id TEXT PRIMARY KEY, title TEXT NOT NULL DEFAULT 'New Chat', model TEXT, parent_id TEXT,
        created_at {_NOW}, updated_at {_NOW})""",
    f"""CREATE TABLE IF NOT EXISTS chat_messages (
        id TEXT PRIMARY KEY, session_id TEXT NOT NULL REFERENCES chat_sessions(id) ON DELETE CASCADE,
        role TEXT NOT NULL, content TEXT, model TEXT, tool_calls TEXT,
        request_prompt_tokens INTEGER, request_tools_tokens INTEGER, request_total_input_tokens INTEGER,
        request_completion_tokens INTEGER, created_at {_NOW})""",
    f"""CREATE TABLE IF NOT EXISTS mcp_servers (
        id TEXT PRIMARY KEY, name TEXT NOT NULL, enabled INTEGER DEFAULT 1, command TEXT NOT NULL, args TEXT DEFAULT '[]',
        env TEXT DEFAULT '{{}}', description TEXT, url TEXT, created_at {_NOW}, updated_at {_NOW})""",
    f"""CREATE TABLE IF NOT EXISTS peak_metrics (
        model_id TEXT PRIMARY KEY, prefill_tps REAL, generation_tps REAL, ttft_ms REAL,
        total_tokens INTEGER DEFAULT 0, total_requests INTEGER DEFAULT 0, updated_at {_NOW})""",
    f"CREATE TABLE IF NOT EXISTS lifetime_metrics (key TEXT PRIMARY KEY, value REAL NOT NULL DEFAULT 0, updated_at {_NOW})",
)



def _legacy(connection: sqlite3.Connection) -> None:
    """vLLM Studio's tables, also where this file is its own of another month: older column, fewer columns."""
    columns = {row[1] for row in connection.execute("PRAGMA table_info(recipes)")}
    if "json" in columns and "data" not in columns:
        connection.execute("ALTER TABLE recipes RENAME COLUMN json TO data")
    _TABLES(connection)
    for table, column, kind in _LATER:
        if column not in {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}:
            connection.execute(f"ALTER TABLE {table} ADD COLUMN {column} {kind}")


# Columns that not every version had.
_LATER = (
    ("chat_messages", "request_tools_tokens", "INTEGER"),
    ("chat_messages", "request_total_input_tokens", "INTEGER"),
    ("peak_metrics", "updated_at", "TEXT"),
    ("lifetime_metrics", "updated_at", "TEXT"),
)

_OURS = _statements(
    "ALTER TABLE recipes ADD COLUMN version INTEGER NOT NULL DEFAULT 1",
    "ALTER TABLE chat_messages ADD COLUMN state TEXT NOT NULL DEFAULT 'complete'",
    "CREATE INDEX messages_by_session ON chat_messages(session_id, created_at)",
    """CREATE TABLE requests (
        id TEXT PRIMARY KEY, started_at REAL NOT NULL, ended_at REAL, path TEXT, model TEXT, recipe TEXT, instance TEXT,
        key TEXT, stream INTEGER, status INTEGER, outcome TEXT, ttft_s REAL, duration_s REAL, prompt_tokens INTEGER,
        completion_tokens INTEGER, cached_tokens INTEGER, reasoning_tokens INTEGER, finish TEXT, chunks INTEGER, error TEXT)""",
    "CREATE INDEX requests_by_time ON requests(started_at)",
    """CREATE TABLE launches (
        id TEXT PRIMARY KEY, recipe TEXT NOT NULL, engine TEXT NOT NULL, origin TEXT, state TEXT NOT NULL, instance TEXT,
        created_at TEXT NOT NULL, marks TEXT NOT NULL DEFAULT '{}', total_s REAL, cause TEXT)""",
    "CREATE INDEX launches_by_recipe ON launches(recipe, created_at)",
    "CREATE TABLE samples (at REAL NOT NULL, kind TEXT NOT NULL, data TEXT NOT NULL)",
    "CREATE INDEX samples_by_time ON samples(kind, at)",
    """CREATE TABLE keys (
        id TEXT PRIMARY KEY, name TEXT NOT NULL, sha256 TEXT NOT NULL UNIQUE, scopes TEXT NOT NULL, created_at TEXT NOT NULL,
        revoked_at TEXT)""",
    "CREATE TABLE journal (segment TEXT PRIMARY KEY, offset INTEGER NOT NULL)",
)

# Whose line a request came by: what a dead gateway never ended was interrupted.
_WRITER = _statements(
    "ALTER TABLE requests ADD COLUMN writer TEXT",
    "CREATE INDEX requests_open ON requests(writer) WHERE ended_at IS NULL",
)

# What the time of a start depends on, and when each mark of it came: for the next one's expectation.
_STARTS = _statements(
    "ALTER TABLE launches ADD COLUMN start_s REAL",
    "ALTER TABLE launches ADD COLUMN start_marks TEXT",
    "ALTER TABLE launches ADD COLUMN shape TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE launches ADD COLUMN version TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE launches ADD COLUMN cache TEXT NOT NULL DEFAULT ''",
)

# What a list of recipes tells of each: what it holds when it runs, when it was last used and how fast it was.
_FIGURES = _statements(
    "ALTER TABLE launches ADD COLUMN memory_bytes INTEGER",
    "CREATE INDEX requests_by_recipe ON requests(recipe, started_at)",
)

# What a model said to itself before an answer.
_THOUGHTS = _statements("ALTER TABLE chat_messages ADD COLUMN reasoning TEXT")

# Step n brings the database to version n. A step that was released is never changed.
STEPS: tuple[Step, ...] = (_legacy, _OURS, _WRITER, _STARTS, _FIGURES, _THOUGHTS)
VERSION = len(STEPS)
