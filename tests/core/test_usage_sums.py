"""/usage as plain sums: against figures counted by hand, and never a null."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest_asyncio

from studio_core.store.store import Store
from studio_core.usage.sums import lifetime, peaks, sums

BLOCKS = {
    "totals": {"total_tokens", "prompt_tokens", "completion_tokens", "total_requests", "successful_requests", "failed_requests",
               "success_rate", "unique_sessions", "unique_users"},
    "latency": {"avg_ms", "p50_ms", "p95_ms", "p99_ms", "min_ms", "max_ms"},
    "ttft": {"avg_ms", "p50_ms", "p95_ms", "p99_ms"},
    "tokens_per_request": {"avg", "avg_prompt", "avg_completion", "max", "p50", "p95"},
    "cache": {"hits", "misses", "hit_tokens", "miss_tokens", "hit_rate"},
    "week_over_week": {"this_week", "last_week", "change_pct"},
    "recent_activity": {"last_hour_requests", "last_24h_requests", "prev_24h_requests", "last_24h_tokens", "change_24h_pct"},
}
LISTS = {"peak_days", "peak_hours", "by_model", "daily", "hourly_pattern"}
NAMES = ("id", "started_at", "ended_at", "model", "outcome", "prompt_tokens", "completion_tokens", "ttft_s", "duration_s", "key")


@pytest_asyncio.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    found = Store(tmp_path / "controller.db")
    await found.start()
    yield found
    await found.stop()


def nulls(value: Any, place: str = "") -> list[str]:
    """Where there is a None."""
    if isinstance(value, dict):
        return [found for name, one in value.items() for found in nulls(one, f"{place}.{name}")]
    if isinstance(value, list):
        return [found for number, one in enumerate(value) for found in nulls(one, f"{place}[{number}]")]
    return [place] if value is None else []


async def fill(store: Store, *rows: tuple[Any, ...]) -> None:
    marks = ", ".join("?" * len(NAMES))
    sql = f"INSERT INTO requests ({', '.join(NAMES)}) VALUES ({marks})"
    await store.write(lambda connection: connection.executemany(sql, rows).rowcount)


async def test_nothing_yet_is_zeros_and_empty_lists(store: Store) -> None:
    found = await sums(store)
    assert set(found) == {*BLOCKS, *LISTS} and not nulls(found)
    for name, fields in BLOCKS.items():
        assert set(found[name]) == fields, name
    assert [found[name] for name in ("peak_days", "peak_hours", "by_model", "daily")] == [[], [], [], []]
    assert [hour["hour"] for hour in found["hourly_pattern"]] == list(range(24))
    assert set(found["totals"].values()) == {0}
    assert not nulls(await peaks(store)) and not nulls(await lifetime(store))


async def test_sums_are_those_counted_by_hand(store: Store) -> None:
    now, week = time.time(), 7 * 86400.0
    await fill(
        store,
        ("1", now - 60, now, "a", "ok", 100, 10, 0.1, 1.0, "k1"),
        ("2", now - 50, now, "a", "ok", 200, 30, 0.3, 3.0, "k2"),
        ("3", now - 40, now, "a", "failed", None, None, None, 0.5, "k1"),
        ("4", now - 30, None, "b", None, None, None, None, None, None),
        ("5", now - 20, None, "b", "interrupted", None, None, None, None, None),
        ("7", now - 10, now, "b", "cancelled", None, None, None, None, None),
        ("6", now - week - 3600, now - week, "b", "ok", 1000, 500, 0.2, 2.0, "k1"),
    )
    found = await sums(store)
    assert not nulls(found)
    totals = found["totals"]
    assert (totals["total_requests"], totals["successful_requests"], totals["failed_requests"]) == (7, 3, 2)
    assert (totals["prompt_tokens"], totals["completion_tokens"], totals["total_tokens"]) == (1300, 540, 1840)
    assert totals["success_rate"] == 60.0
    assert (found["latency"]["min_ms"], found["latency"]["max_ms"], found["latency"]["avg_ms"]) == (500.0, 3000.0, 1625.0)
    assert found["week_over_week"]["this_week"] == {"requests": 6, "tokens": 340, "successful": 2}
    assert found["week_over_week"]["last_week"] == {"requests": 1, "tokens": 1500, "successful": 1}
    assert found["week_over_week"]["change_pct"]["requests"] == 500.0
    assert (found["recent_activity"]["last_24h_requests"], found["recent_activity"]["last_24h_tokens"]) == (6, 340)
    by_model = {row["model"]: row for row in found["by_model"]}
    assert (by_model["a"]["requests"], by_model["a"]["successful"], by_model["b"]["total_tokens"]) == (3, 2, 1500)
    assert sum(day["requests"] for day in found["daily"]) == 7
    assert sum(hour["requests"] for hour in found["hourly_pattern"]) == 7
    assert sum(day["requests"] for day in found["peak_days"]) == 3


async def test_peaks_are_the_best_of_what_went_well(store: Store) -> None:
    await fill(
        store,
        ("1", 1.0, 2.0, "a", "ok", 100, 11, 0.5, 1.5, None),
        ("2", 1.0, 2.0, "a", "ok", 10, 101, 0.25, 2.25, None),
        ("3", 1.0, 2.0, "a", "failed", 9999, 9999, 0.001, 0.002, None),
    )
    assert await peaks(store) == [{
        "model_id": "a", "generation_tps": 50.0, "prefill_tps": 200.0, "ttft_ms": 250.0, "total_tokens": 222, "total_requests": 2,
    }]
