"""The requests table: one row per request that came through the gateway, made from the lines of its journal."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from studio_core.store.store import Store

# A recipe's speed is that of its newest answers: older ones were of another load or engine.
ANSWERS = 20
# One look into the index for each recipe, however many requests there are.
_FIGURES = f"""
SELECT recipes.id AS recipe,
  (SELECT max(started_at) FROM requests WHERE recipe = recipes.id) AS at,
  (SELECT sum(completion_tokens) / sum(duration_s - ttft_s) FROM (
     SELECT completion_tokens, duration_s, ttft_s FROM requests
     WHERE recipe = recipes.id AND outcome = 'ok' AND completion_tokens > 1 AND duration_s > ttft_s
     ORDER BY started_at DESC LIMIT {ANSWERS})) AS rate
FROM recipes
"""


@dataclass(frozen=True, slots=True)
class Used:
    """`at` is when its newest request began (Unix seconds), `rate` its newest answers' tokens per second after the first."""

    at: float | None = None
    rate: float | None = None


async def used(store: Store) -> dict[str, Used]:
    """The figures of every recipe that has requests."""
    return {row["recipe"]: Used(row["at"], row["rate"]) for row in await store.read(_FIGURES) if row["at"] is not None}


def upsert(connection: sqlite3.Connection, columns: tuple[str, ...], rows: Iterable[Sequence[Any]]) -> None:
    """Store what start and end lines say. A row is id, writer, started_at, ended_at and the values of `columns`.

    Lines may come twice and in any order: an end's values stand, a start completes them.
    """
    connection.executemany(_statement(columns), rows)


@cache
def _statement(columns: tuple[str, ...]) -> str:
    names, marks = ", ".join(columns), ", ".join("?" * (len(columns) + 4))
    kept = ", ".join(
        f"{name} = CASE WHEN excluded.ended_at IS NULL THEN coalesce({name}, excluded.{name}) "
        f"ELSE coalesce(excluded.{name}, {name}) END" for name in columns
    )
    return (
        f"INSERT INTO requests (id, writer, started_at, ended_at, {names}) VALUES ({marks}) ON CONFLICT (id) DO UPDATE SET "
        "started_at = CASE WHEN excluded.ended_at IS NULL THEN excluded.started_at ELSE started_at END, "
        f"ended_at = coalesce(excluded.ended_at, ended_at), {kept}"
    )


def interrupt(connection: sqlite3.Connection, writer: str) -> None:
    """What a dead writer never ended. An end line that is found later still wins."""
    connection.execute(
        "UPDATE requests SET outcome = 'interrupted' WHERE writer = ? AND ended_at IS NULL AND outcome IS NULL", (writer,)
    )
