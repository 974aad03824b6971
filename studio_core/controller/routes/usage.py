"""Sums over requests. Always complete: zeros and empty lists, never nulls, as vLLM Studio's pages need them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from studio_core.controller.endpoint import Call, Endpoint, Query, Table

NO_PEAK = {"prefill_tps": 0.0, "generation_tps": 0.0, "ttft_ms": 0.0, "total_tokens": 0, "total_requests": 0}
LIFETIME = ("tokens_total", "prompt_tokens_total", "completion_tokens_total", "requests_total", "energy_wh", "uptime_seconds",
            "first_started_at")


async def usage(call: Call) -> Mapping[str, Any]:
    return await call.services.figures.usage()


async def peaks(call: Call) -> Mapping[str, Any]:
    rows = [{**NO_PEAK, **{name: value for name, value in row.items() if value is not None}}
            for row in await call.services.figures.peaks()]
    wanted = call.query["model_id"]
    if not wanted:
        return {"metrics": rows}
    return next((row for row in rows if row["model_id"] == wanted), {"model_id": wanted, **NO_PEAK})


async def lifetime(call: Call) -> dict[str, float]:
    stored = await call.services.figures.lifetime()
    found = {name: stored.get(name, 0.0) for name in LIFETIME}
    energy, tokens = found["energy_wh"] / 1000, found["tokens_total"]
    return {
        **found, "tokens_total": int(tokens), "requests_total": int(found["requests_total"]),
        "energy_kwh": energy, "uptime_hours": found["uptime_seconds"] / 3600,
        "kwh_per_million_tokens": energy / tokens * 1e6 if tokens else 0.0,
        "current_power_watts": sum(gpu.power_draw or 0.0 for gpu in call.services.gpu.latest().gpus),
    }


ENDPOINTS: Table = {
    ("GET", "/usage"): Endpoint(usage),
    ("GET", "/peak-metrics"): Endpoint(peaks, query=(Query("model_id", str, "", "only this model"),)),
    ("GET", "/lifetime-metrics"): Endpoint(lifetime),
}
