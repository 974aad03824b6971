"""Usage as plain sums over `requests`, in the blocks of vLLM Studio's /usage. Never null: its page breaks on that."""

from __future__ import annotations

import sqlite3
from typing import Any

from studio_core.store.store import Store

_TOKENS = (
    "coalesce(sum(prompt_tokens), 0) AS prompt_tokens, coalesce(sum(completion_tokens), 0) AS completion_tokens, "
    "coalesce(sum(coalesce(prompt_tokens, 0) + coalesce(completion_tokens, 0)), 0) AS total_tokens"
)
_COUNTS = "count(*) AS total_requests, coalesce(sum(outcome = 'ok'), 0) AS successful_requests"
# One that still runs has not failed, nor has one whose client wanted no more of it.
_FAILED = "coalesce(sum(outcome NOT IN ('ok', 'cancelled')), 0) AS failed_requests"
_DAY = "strftime('%Y-%m-%d', started_at, 'unixepoch')"
_HOUR = "cast(strftime('%H', started_at, 'unixepoch') AS integer)"
PERCENTILES = (("p50_ms", 0.5), ("p95_ms", 0.95), ("p99_ms", 0.99))
# Order statistics are taken over this many of the newest requests.
NEWEST = 10_000


async def sums(store: Store) -> dict[str, Any]:
    """All blocks; an empty database gives zeros and empty lists."""
    total = dict((await store.read(f"SELECT {_COUNTS}, {_FAILED}, {_TOKENS} FROM requests"))[0])
    return {
        "totals": _totals(total, await _one(store, "SELECT count(DISTINCT coalesce(key, '')) FROM requests")),
        "latency": await _spread(store, "duration_s", bounds=True),
        "ttft": await _spread(store, "ttft_s"),
        "tokens_per_request": await _per_request(store),
        "cache": {"hits": 0, "misses": 0, "hit_tokens": await _cached(store), "miss_tokens": 0, "hit_rate": 0.0},
        "week_over_week": await _weeks(store),
        "recent_activity": await _recent(store),
        "peak_days": await _peak_days(store),
        "peak_hours": await _peak_hours(store),
        "by_model": await _by_model(store),
        "daily": await _daily(store),
        "hourly_pattern": await _hours(store),
    }


def _totals(row: dict[str, Any], callers: int) -> dict[str, Any]:
    good = row["successful_requests"]
    over = good + row["failed_requests"]
    rate = 100.0 * good / over if over else 0.0
    return {**row, "success_rate": rate, "unique_sessions": 0, "unique_users": callers}


async def _one(store: Store, sql: str) -> Any:
    return (await store.read(sql))[0][0]


async def _values(store: Store, column: str) -> list[float]:
    """The newest values of a column, sorted."""
    rows = await store.read(
        f"SELECT {column} AS value FROM requests WHERE {column} IS NOT NULL ORDER BY started_at DESC LIMIT {NEWEST}"
    )
    return sorted(row["value"] for row in rows)


def _at(values: list[float], share: float) -> float:
    return values[min(len(values) - 1, int(share * len(values)))] if values else 0.0


async def _spread(store: Store, column: str, bounds: bool = False) -> dict[str, float]:
    values = [1000.0 * value for value in await _values(store, column)]
    found = {"avg_ms": sum(values) / len(values) if values else 0.0}
    found.update({name: _at(values, share) for name, share in PERCENTILES})
    if bounds:
        found.update(min_ms=values[0] if values else 0.0, max_ms=values[-1] if values else 0.0)
    return found


async def _per_request(store: Store) -> dict[str, float]:
    values = await _values(store, "(prompt_tokens + completion_tokens)")
    row = (await store.read("SELECT avg(prompt_tokens) AS p, avg(completion_tokens) AS c FROM requests"))[0]
    return {
        "avg": sum(values) / len(values) if values else 0.0,
        "avg_prompt": row["p"] or 0.0,
        "avg_completion": row["c"] or 0.0,
        "max": values[-1] if values else 0,
        "p50": _at(values, 0.5),
        "p95": _at(values, 0.95),
    }


async def _cached(store: Store) -> int:
    return int(await _one(store, "SELECT coalesce(sum(cached_tokens), 0) FROM requests"))


async def _window(store: Store, newest_s: int, oldest_s: int) -> sqlite3.Row:
    """Sums over the requests that began between so many seconds ago."""
    return (await store.read(
        f"SELECT count(*) AS requests, coalesce(sum(outcome = 'ok'), 0) AS successful, {_TOKENS} FROM requests "
        "WHERE started_at > unixepoch() - ? AND started_at <= unixepoch() - ?", (oldest_s, newest_s),
    ))[0]


def _change(new: float, old: float) -> float:
    return 100.0 * (new - old) / old if old else 0.0


async def _weeks(store: Store) -> dict[str, Any]:
    week = 7 * 86400
    blocks = {
        name: {"requests": row["requests"], "tokens": row["total_tokens"], "successful": row["successful"]}
        for name, row in (("this_week", await _window(store, -1, week)), ("last_week", await _window(store, week, 2 * week)))
    }
    pairs = {name: _change(blocks["this_week"][name], blocks["last_week"][name]) for name in ("requests", "tokens")}
    return {**blocks, "change_pct": pairs}


async def _recent(store: Store) -> dict[str, Any]:
    hour, day, before = [await _window(store, *span) for span in ((-1, 3600), (-1, 86400), (86400, 2 * 86400))]
    return {
        "last_hour_requests": hour["requests"],
        "last_24h_requests": day["requests"],
        "prev_24h_requests": before["requests"],
        "last_24h_tokens": day["total_tokens"],
        "change_24h_pct": _change(day["requests"], before["requests"]),
    }


async def _peak_days(store: Store) -> list[dict[str, Any]]:
    rows = await store.read(
        f"SELECT {_DAY} AS date, count(*) AS requests, {_TOKENS} FROM requests WHERE outcome = 'ok' "
        "GROUP BY date ORDER BY requests DESC LIMIT 5"
    )
    return [{"date": row["date"], "requests": row["requests"], "tokens": row["total_tokens"]} for row in rows]


async def _peak_hours(store: Store) -> list[dict[str, Any]]:
    rows = await store.read(
        f"SELECT {_HOUR} AS hour, count(*) AS requests FROM requests WHERE started_at > unixepoch() - 7 * 86400 "
        "GROUP BY hour ORDER BY requests DESC LIMIT 5"
    )
    return [dict(row) for row in rows]


async def _by_model(store: Store) -> list[dict[str, Any]]:
    rows = await store.read(
        "SELECT coalesce(recipe, model, '') AS model, count(*) AS requests, coalesce(sum(outcome = 'ok'), 0) AS successful, "
        f"{_TOKENS}, coalesce(avg(duration_s), 0) AS latency, coalesce(avg(ttft_s), 0) AS ttft, "
        "coalesce(avg(completion_tokens), 0) AS completion FROM requests GROUP BY 1 ORDER BY requests DESC LIMIT 25"
    )
    return [
        {
            "model": row["model"],
            "requests": row["requests"],
            "successful": row["successful"],
            "success_rate": 100.0 * row["successful"] / row["requests"],
            "total_tokens": row["total_tokens"],
            "prompt_tokens": row["prompt_tokens"],
            "completion_tokens": row["completion_tokens"],
            "avg_tokens": row["total_tokens"] / row["requests"],
            "avg_latency_ms": 1000.0 * row["latency"],
            "avg_ttft_ms": 1000.0 * row["ttft"],
            "tokens_per_sec": row["completion"] / row["latency"] if row["latency"] else 0.0,
        }
        for row in rows
    ]


async def _daily(store: Store) -> list[dict[str, Any]]:
    rows = await store.read(
        f"SELECT {_DAY} AS date, count(*) AS requests, coalesce(sum(outcome = 'ok'), 0) AS successful, {_TOKENS}, "
        "coalesce(avg(duration_s), 0) * 1000 AS avg_latency_ms FROM requests WHERE started_at > unixepoch() - 14 * 86400 "
        "GROUP BY date ORDER BY date"
    )
    return [{**dict(row), "success_rate": 100.0 * row["successful"] / row["requests"]} for row in rows]


async def _hours(store: Store) -> list[dict[str, Any]]:
    rows = await store.read(
        f"SELECT {_HOUR} AS hour, count(*) AS requests, coalesce(sum(outcome = 'ok'), 0) AS successful, {_TOKENS} "
        "FROM requests GROUP BY hour"
    )
    found = {row["hour"]: row for row in rows}
    return [
        {
            "hour": hour,
            "requests": found[hour]["requests"] if hour in found else 0,
            "successful": found[hour]["successful"] if hour in found else 0,
            "tokens": found[hour]["total_tokens"] if hour in found else 0,
        }
        for hour in range(24)
    ]


async def peaks(store: Store) -> list[dict[str, Any]]:
    """The best figures per model that were seen in passing; speed is completion tokens over the time after the first."""
    rows = await store.read(
        "SELECT coalesce(recipe, model, '') AS model_id, "
        "coalesce(max(CASE WHEN completion_tokens > 8 AND duration_s > ttft_s "
        "THEN (completion_tokens - 1) / (duration_s - ttft_s) END), 0) AS generation_tps, "
        "coalesce(max(CASE WHEN ttft_s > 0 THEN prompt_tokens / ttft_s END), 0) AS prefill_tps, "
        "coalesce(min(ttft_s), 0) * 1000 AS ttft_ms, "
        "coalesce(sum(coalesce(prompt_tokens, 0) + coalesce(completion_tokens, 0)), 0) AS total_tokens, "
        "count(*) AS total_requests FROM requests WHERE outcome = 'ok' GROUP BY 1 ORDER BY 1"
    )
    found = {row["model_id"]: dict(row) for row in await store.read(_TAKEN_PEAKS)}
    for row in rows:
        found[row["model_id"]] = _best(dict(row), found.get(row["model_id"], {}))
    return [found[name] for name in sorted(found)]


_TAKEN_PEAKS = (
    "SELECT model_id, coalesce(generation_tps, 0) AS generation_tps, coalesce(prefill_tps, 0) AS prefill_tps, "
    "coalesce(ttft_ms, 0) AS ttft_ms, coalesce(total_tokens, 0) AS total_tokens, coalesce(total_requests, 0) AS total_requests "
    "FROM peak_metrics"
)


def _best(ours: dict[str, Any], taken: dict[str, Any]) -> dict[str, Any]:
    """Our figures of a model with those that were taken over from vLLM Studio; zero stands for not measured."""
    if not taken:
        return ours
    return {
        **ours,
        **{name: max(ours[name], taken[name]) for name in ("generation_tps", "prefill_tps")},
        **{name: ours[name] + taken[name] for name in ("total_tokens", "total_requests")},
        "ttft_ms": min((one["ttft_ms"] for one in (ours, taken) if one["ttft_ms"]), default=0),
    }


async def lifetime(store: Store) -> dict[str, float]:
    """What was taken over from vLLM Studio plus what was counted since."""
    rows = await store.read("SELECT key, value FROM lifetime_metrics")
    found = {"tokens_total": 0.0, "prompt_tokens_total": 0.0, "completion_tokens_total": 0.0, "requests_total": 0.0}
    found |= {row["key"]: row["value"] for row in rows}
    now = (await store.read(f"SELECT {_COUNTS}, {_TOKENS} FROM requests"))[0]
    found["tokens_total"] += now["total_tokens"]
    found["prompt_tokens_total"] += now["prompt_tokens"]
    found["completion_tokens_total"] += now["completion_tokens"]
    found["requests_total"] += now["total_requests"]
    return found
