"""The samples table: how machine and models did, in two resolutions, each for a bounded time."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass

from studio_core.store.store import Store


@dataclass(frozen=True, slots=True)
class Tier:
    """Rows of `step_s` seconds, kept for `kept_s`. The table never holds more than kept_s / step_s of them."""

    name: str
    step_s: float
    kept_s: float


FINE = Tier("fine", 10.0, 6 * 3600.0)
COARSE = Tier("coarse", 120.0, 7 * 86400.0)
TIERS = (FINE, COARSE)


class SampleTable:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def add(self, tier: Tier, end: float, values: Mapping[str, float]) -> None:
        """Keep one step that ended at Unix time `end`, and let go what is too old. Raises DiskFull, StoreError."""
        text = json.dumps({name: round(value, 2) for name, value in values.items()})

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM samples WHERE kind = ? AND (at <= ? OR at >= ?)", (tier.name, end - tier.kept_s, end))
            connection.execute("INSERT INTO samples (at, kind, data) VALUES (?, ?, ?)", (end, tier.name, text))

        await self._store.write(work)

    async def read(self, tier: Tier, since: float) -> list[tuple[float, dict[str, float]]]:
        """The steps that ended after `since`, the oldest first."""
        rows = await self._store.read("SELECT at, data FROM samples WHERE kind = ? AND at > ? ORDER BY at", (tier.name, since))
        return [(row["at"], json.loads(row["data"])) for row in rows]
