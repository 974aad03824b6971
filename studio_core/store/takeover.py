"""Taking over vLLM Studio's data: no row is lost, the original stays as it is, and a second time changes nothing."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Callable, Iterable
from pathlib import Path

from studio_core import wire
from studio_core.errors import BadInput, BadRecipe
from studio_core.recipes.recipe import parse_json
from studio_core.store import legacy
from studio_core.store.legacy import Row
from studio_core.store.store import Store

NOTES = 200
# Figures that exist here already keep the better of both: column → SQL's choice.
_BETTER = {
    "peak_metrics": {
        "prefill_tps": "max", "generation_tps": "max", "ttft_ms": "min", "total_tokens": "max", "total_requests": "max",
    },
    "lifetime_metrics": {"value": "max"},
}
_KEYS = {"peak_metrics": "model_id", "lifetime_metrics": "key"}


async def takeover(store: Store, path: Path, then: Callable[[], None] = lambda: None) -> wire.Takeover:
    """Take over the database at `path` (or in that folder), the chats beside it and its MCP servers, in one transaction.

    `then` as in `Store.write`.

    Raises:
        NotFound: no such file. BadInput: it cannot be read, or is not vLLM Studio's. DiskFull, StoreError: nothing was taken.
    """
    source = legacy.locate(path)

    def work(connection: sqlite3.Connection) -> wire.Takeover:
        taking = _Taking(connection, wire.Takeover(source=str(source.databases[0])))
        for database in source.databases:
            target = store.path.with_name(f"takeover-{secrets.token_hex(4)}.db")
            with legacy.copied(database, target) as copy:
                for table in legacy.tables(copy):
                    taking.rows(table, legacy.rows(copy, table))
        if source.servers is not None:
            taking.rows("mcp_servers", legacy.servers(source.servers))
        if not taking.report.tables:
            raise BadInput("this is not vLLM Studio's database", f"{path} has none of its tables", "give its controller.db")
        return taking.report

    return await store.write(work, then)


class _Taking:
    """One takeover under way."""

    def __init__(self, connection: sqlite3.Connection, report: wire.Takeover) -> None:
        self.report = report
        self._connection = connection
        self._table = ""
        self._count = wire.Taken()
        self._unknown: set[str] = set()

    def rows(self, table: str, rows: Iterable[Row]) -> None:
        self._table, self._count = table, self.report.tables.setdefault(table, wire.Taken())
        columns = {found[1] for found in self._connection.execute(f"PRAGMA table_info({table})")}
        take: Callable[[Row], None] = self._better if table in _BETTER else self._insert
        for row in rows:
            self._forgotten(row, columns)
            try:
                take({name: value for name, value in row.items() if name in columns})
            except sqlite3.IntegrityError as error:
                self._skip(row, str(error))

    def _insert(self, row: Row) -> None:
        """A new row, or one that is here already; of two that differ ours stays."""
        found = self._connection.execute(f"SELECT * FROM {self._table} WHERE id = ?", (row["id"],))
        names = [column[0] for column in found.description]
        if (stored := found.fetchone()) is not None:
            ours = dict(zip(names, stored, strict=True))
            if all(ours[name] == value for name, value in row.items() if name not in ("created_at", "updated_at")):
                self._count.already += 1
            else:
                self._skip(row, "one with this id is here already and differs")
            return
        self._prepare(row)
        self._put(row, "")
        self._count.taken += 1

    def _prepare(self, row: Row) -> None:
        """What else a row needs, or a person should know of it."""
        if self._table == "chat_messages":
            # vLLM Studio did not always enforce the reference: a message whose chat was lost gets one.
            self._connection.execute(
                "INSERT OR IGNORE INTO chat_sessions (id, title, created_at, updated_at) VALUES (?, 'Recovered chat', ?, ?)",
                (row["session_id"], row.get("created_at"), row.get("created_at")),
            )
        if self._table == "recipes" and row.get("data") is not None:
            try:
                parse_json(row["data"])
            except BadRecipe as error:
                self._note(f"recipe {row['id']} was taken over, but cannot run as it is: {error}")

    def _better(self, row: Row) -> None:
        key = _KEYS[self._table]
        choice = dict(_BETTER[self._table])
        if row.get("key") == "first_started_at":
            choice["value"] = "min"
        known = self._connection.execute(f"SELECT 1 FROM {self._table} WHERE {key} = ?", (row[key],)).fetchone()
        kept = ", ".join(
            f"{name} = coalesce({which}({name}, excluded.{name}), {name}, excluded.{name})" for name, which in choice.items()
        )
        self._put(row, f" ON CONFLICT ({key}) DO UPDATE SET {kept}")
        if known:
            self._count.already += 1
        else:
            self._count.taken += 1

    def _put(self, row: Row, conflict: str) -> None:
        names, marks = ", ".join(row), ", ".join("?" * len(row))
        self._connection.execute(f"INSERT INTO {self._table} ({names}) VALUES ({marks}){conflict}", tuple(row.values()))

    def _forgotten(self, row: Row, columns: set[str]) -> None:
        for name in row.keys() - columns:
            if row[name] is not None and (label := f"{self._table}.{name}") not in self._unknown:
                self._unknown.add(label)
                self._note(f"column {label} is not known here and was left behind; the original still has it")

    def _skip(self, row: Row, why: str) -> None:
        self._count.skipped += 1
        self._note(f"{self._table} {row.get(_KEYS.get(self._table, 'id'))}: {why}")

    def _note(self, text: str) -> None:
        if len(self.report.notes) < NOTES:
            self.report.notes.append(text)
