"""The launches table: how long every start took, for the ETA of the next."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, fields

from studio_core.engines.forecast import Start
from studio_core.store.store import Store

# Read for one expectation: of several shapes and cache states there should be some of each.
STARTS = 50


@dataclass(frozen=True, slots=True)
class LaunchRow:
    """One launch that is over. `marks` are seconds since its creation at which each state was entered.

    `start` is its engine's part of it, from exec to ready; None where the engine did not become ready.
    """

    id: str
    recipe: str
    engine: str
    origin: str
    state: str
    instance: str | None
    created_at: str
    marks: Mapping[str, float]
    total_s: float | None
    cause: str
    start: Start | None = None


@dataclass(frozen=True, slots=True)
class LastReady:
    """A recipe's last start that became ready: when, the seconds it took, and the most memory that its engine was seen to hold."""

    at: str
    seconds: float
    memory_bytes: int | None = None


COLUMNS = (
    "id, recipe, engine, origin, state, instance, created_at, marks, total_s, cause, start_s, start_marks, shape, version, cache"
)


class LaunchTable:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def add(self, row: LaunchRow) -> None:
        """Once per launch: one that is over stays as it ended."""
        values = (
            row.id, row.recipe, row.engine, row.origin, row.state, row.instance, row.created_at, json.dumps(dict(row.marks)),
            row.total_s, row.cause, *_columns(row.start),
        )

        def work(connection: sqlite3.Connection) -> None:
            connection.execute(f"INSERT OR IGNORE INTO launches ({COLUMNS}) VALUES ({', '.join('?' * len(values))})", values)

        await self._store.write(work)

    async def last(self) -> dict[str, LaunchRow]:
        """The newest launch of each recipe."""
        rows = await self._store.read(
            "SELECT * FROM (SELECT *, row_number() OVER (PARTITION BY recipe ORDER BY created_at DESC) AS n FROM launches)"
            " WHERE n = 1"
        )
        names = [field.name for field in fields(LaunchRow) if field.name != "start"]
        found = [LaunchRow(**{name: row[name] for name in names} | {"marks": json.loads(row["marks"])}) for row in rows]
        return {one.recipe: one for one in found}

    async def starts(self, recipe: str) -> list[Start]:
        """The newest starts of a recipe that became ready, the newest first."""
        rows = await self._store.read(
            "SELECT start_s, start_marks, shape, version, cache FROM launches WHERE recipe = ? AND start_s IS NOT NULL "
            "ORDER BY created_at DESC LIMIT ?", (recipe, STARTS),
        )
        return [
            Start(row["start_s"], json.loads(row["start_marks"] or "{}"), row["shape"], row["version"], row["cache"])
            for row in rows
        ]

    async def last_ready(self) -> dict[str, LastReady]:
        """Recipe → its last start that became ready. The memory is that of the newest start of which it is known."""
        rows = await self._store.read(
            "SELECT recipe, max(created_at) AS at, total_s FROM launches WHERE state = 'ready' AND total_s IS NOT NULL "
            "GROUP BY recipe"
        )
        held = await self._store.read(
            "SELECT recipe, max(created_at), memory_bytes FROM launches WHERE memory_bytes IS NOT NULL GROUP BY recipe"
        )
        known = {row["recipe"]: row["memory_bytes"] for row in held}
        return {row["recipe"]: LastReady(row["at"], row["total_s"], known.get(row["recipe"])) for row in rows}

    async def learn(self, launch_id: str, memory_bytes: int) -> None:
        """Keep with its launch what an engine holds."""

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("UPDATE launches SET memory_bytes = ? WHERE id = ?", (memory_bytes, launch_id))

        await self._store.write(work)


def _columns(start: Start | None) -> tuple[float | None, str | None, str, str, str]:
    if start is None:
        return None, None, "", "", ""
    return start.total_s, json.dumps(dict(start.marks)), start.shape, start.version, start.cache
