"""vLLM Studio's own files, read from a copy: `controller.db` in all its shapes, `chats.db`, and the JSON file of MCP servers."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from studio_core.errors import BadInput, NotFound

TABLES = ("recipes", "chat_sessions", "chat_messages", "mcp_servers", "peak_metrics", "lifetime_metrics")
# Chats were always in a file of their own beside the controller's.
CHATS = "chats.db"
# In December 2025 MCP servers were in a JSON file; these are the names and shapes that are understood.
MCP_FILES = ("mcp_servers.json", "mcp-servers.json", "mcp.json")
_TEXT_OF_JSON = ("args", "env", "tool_calls")

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Source:
    """The files that belong together."""

    databases: tuple[Path, ...]
    servers: Path | None


def old_database(cwd: Path) -> Path | None:
    """The database that vLLM Studio keeps below its own folder, if it ran in `cwd`."""
    path = cwd / "data" / "controller.db"
    return path if path.is_file() else None


def locate(path: Path) -> Source:
    """What belongs to a `controller.db`, to a `chats.db` alone, or to the folder that holds them.

    Raises:
        NotFound: there is no such file.
    """
    with contextlib.suppress(OSError, ValueError):
        path = path / "controller.db" if path.is_dir() else path
        if path.is_file():
            beside = path.with_name(CHATS)
            more = (beside,) if beside != path and beside.is_file() else ()
            servers = next((file for name in MCP_FILES if (file := path.with_name(name)).is_file()), None)
            return Source((path, *more), servers)
    raise NotFound("no database there", f"{path} is not a file", "give the path of vLLM Studio's controller.db")


@contextlib.contextmanager
def copied(source: Path, target: Path) -> Iterator[sqlite3.Connection]:
    """A copy made with the backup API, so that it is whole even while vLLM Studio writes; deleted afterwards.

    Raises:
        BadInput: it is not a SQLite database, or damaged.
        sqlite3.OperationalError: there is no space for the copy.
    """
    os.close(os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    copy = sqlite3.connect(target, check_same_thread=False)
    copy.row_factory = sqlite3.Row
    try:
        _back_up(source, copy)
        yield copy
    finally:
        copy.close()
        for suffix in ("", "-wal", "-shm", "-journal"):
            target.with_name(target.name + suffix).unlink(missing_ok=True)


def _back_up(source: Path, copy: sqlite3.Connection) -> None:
    """Raises BadInput for what is damaged or no database; a full disk is SQLite's error."""
    try:
        _copy(source, copy)
        sound = copy.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
            raise
        sound = str(error)
    if sound != "ok":
        raise BadInput("this database cannot be read", f"{source}: {sound}", "is it vLLM Studio's controller.db, and whole?")


def _copy(source: Path, copy: sqlite3.Connection) -> None:
    """Read-only. In a folder that we may not write, a file in WAL mode opens only as unchanging, which it then is."""
    quoted = source.resolve().as_uri()
    frozen = "" if os.access(source.parent, os.W_OK) or source.with_name(source.name + "-wal").exists() else "&immutable=1"
    original = sqlite3.connect(f"{quoted}?mode=ro{frozen}", uri=True)
    try:
        original.backup(copy)
    finally:
        original.close()


def tables(copy: sqlite3.Connection) -> list[str]:
    """Those of vLLM Studio's tables that are there, parents first."""
    there = {row["name"] for row in copy.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    return [name for name in TABLES if name in there]


def rows(copy: sqlite3.Connection, table: str) -> Iterator[Row]:
    """Every row in the order it was written; the older column `json` of recipes as `data`, a missing key as its row number."""
    for number, found in enumerate(copy.execute(f"SELECT * FROM {table} ORDER BY rowid"), 1):
        row = dict(found)
        if table == "recipes":
            older = row.pop("json", None)
            row["data"] = row.get("data") if row.get("data") is not None else older
        if "id" in row and row["id"] is None:
            row["id"] = f"{table}-{number}"
        yield row


def servers(path: Path) -> Iterator[Row]:
    """Rows of `mcp_servers` from JSON: a list, `{"servers": [...]}` or `{"mcpServers": {name: {...}}}`.

    Raises:
        BadInput: not such a file.
    """
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
        listed = body if isinstance(body, list) else body.get("servers", body.get("mcpServers", body))
        entries = [{"name": name, **entry} for name, entry in listed.items()] if isinstance(listed, dict) else listed
        for entry in entries:
            row = {**entry, "id": str(entry.get("id") or entry["name"]), "name": str(entry.get("name") or entry["id"])}
            yield {name: _text(name, value) for name, value in row.items()}
    except (ValueError, TypeError, KeyError, AttributeError, OSError) as error:
        raise BadInput("the MCP servers cannot be read", f"{path}: {error}", "correct or remove that file") from error


def _text(name: str, value: Any) -> Any:
    if name in _TEXT_OF_JSON or isinstance(value, dict | list):
        return value if isinstance(value, str) else json.dumps(value)
    return int(value) if isinstance(value, bool) else value
