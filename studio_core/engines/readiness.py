"""Asking an engine whether it serves. Proxy variables are ignored: engines are on loopback."""

from __future__ import annotations

import httpx

from studio_core.engines.engine import Engine

TIMEOUT_S = 3.0


async def ready(engine: Engine, host: str, port: int, key: str) -> bool:
    """Whether every endpoint of the engine's table answers 200."""
    async with httpx.AsyncClient(base_url=f"http://{host}:{port}", timeout=TIMEOUT_S, trust_env=False, verify=False) as client:
        for probe in engine.probes:
            headers = {"Authorization": f"Bearer {key}"} if probe.keyed and key else {}
            try:
                answer = await client.get(probe.path, headers=headers)
            except httpx.HTTPError:
                return False
            if answer.status_code != httpx.codes.OK:
                return False
    return True


async def gauges(engine: Engine, host: str, port: int, key: str) -> dict[str, float]:
    """The engine's figures under our names, summed over labels; empty when it gives none."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        async with httpx.AsyncClient(timeout=TIMEOUT_S, trust_env=False, verify=False) as client:
            answer = await client.get(f"http://{host}:{port}/metrics", headers=headers)
    except httpx.HTTPError:
        return {}
    names = {theirs: ours for ours, theirs in engine.series.items()}
    found: dict[str, float] = {}
    for line in answer.text.splitlines() if answer.status_code == httpx.codes.OK else ():
        series, _, value = line.rpartition(" ")
        ours = names.get(series.partition("{")[0])
        if ours is not None:
            found[ours] = found.get(ours, 0.0) + float(value)
    return found


async def running(engine: Engine, host: str, port: int, key: str) -> int | None:
    """Requests the engine works on by its own gauge; None when it has none."""
    found = await gauges(engine, host, port, key)
    return int(found["running"]) if "running" in found else None
