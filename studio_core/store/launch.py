"""The launches table: how long every start took, for the ETA of the next."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, fields

from studio_core.store.store import Store


@dataclass(frozen=True, slots=True)
class LaunchRow:
    """One launch that is over. `marks` are seconds since its creation at which each state was entered."""

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


class LaunchTable:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def add(self, row: LaunchRow) -> None:
        values = (
            row.id, row.recipe, row.engine, row.origin, row.state, row.instance, row.created_at, json.dumps(dict(row.marks)),
            row.total_s, row.cause,
        )

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("INSERT OR REPLACE INTO launches VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", values)

        await self._store.write(work)

    async def last(self) -> dict[str, LaunchRow]:
        """The newest launch of each recipe."""
        rows = await self._store.read(
            "SELECT * FROM (SELECT *, row_number() OVER (PARTITION BY recipe ORDER BY created_at DESC) AS n FROM launches)"
            " WHERE n = 1"
        )
        names = [field.name for field in fields(LaunchRow)]
        found = [LaunchRow(**{name: row[name] for name in names} | {"marks": json.loads(row["marks"])}) for row in rows]
        return {one.recipe: one for one in found}

    async def last_ready(self) -> dict[str, tuple[str, float]]:
        """Recipe → (when, seconds) of its last start that became ready."""
        rows = await self._store.read(
            "SELECT recipe, max(created_at) AS at, total_s FROM launches WHERE state = 'ready' AND total_s IS NOT NULL "
            "GROUP BY recipe"
        )
        return {row["recipe"]: (row["at"], row["total_s"]) for row in rows}
