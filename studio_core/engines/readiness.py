"""Asking a running engine: is it ready, how many requests does it work on. Loopback only, no proxies."""

from __future__ import annotations

import httpx

from studio_core import loopback
from studio_core.engines.engine import Engine

TIMEOUT_S = 2.0
# A second request on a connection can wait 40 ms for a delayed ACK: some engines write head and body apart (Nagle).
ONE_EACH = httpx.Limits(max_keepalive_connections=0)
# An engine's /metrics is a few kilobytes; a foreign listener on the port may send anything.
BODY_LIMIT = 4 * 1024 * 1024


async def ready(engine: Engine, host: str, port: int, key: str) -> bool:
    """True when every probe of the engine answers 200. Whose listener it is, is for the caller to check."""
    async with _client(host, port) as client:
        for probe in engine.probes:
            if await _get(client, probe.path, key if probe.keyed else "") is None:
                return False
    return True


async def running(engine: Engine, host: str, port: int, key: str) -> int | None:
    """The requests that the engine itself says it holds, waiting ones included; None where it does not tell."""
    found = await gauges(engine, host, port, key)
    if "running" not in found:
        return None
    return round(found["running"] + found.get("waiting", 0.0))


async def gauges(engine: Engine, host: str, port: int, key: str) -> dict[str, float]:
    """The engine's figures under our names (`Engine.series`), samples added up; empty where it gives none."""
    async with _client(host, port) as client:
        text = await _get(client, "/metrics", key)
    found = sums(text or "")
    return {ours: found[theirs] for ours, theirs in engine.series.items() if theirs in found}


def sums(text: str) -> dict[str, float]:
    """Prometheus text format to one number per series."""
    found: dict[str, float] = {}
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        name, _, rest = line.partition("{") if "{" in line else line.partition(" ")
        words = rest.rpartition("}")[2].split()
        try:
            found[name] = found.get(name, 0.0) + float(words[0])
        except (IndexError, ValueError):
            continue
    return found


def _client(host: str, port: int) -> httpx.AsyncClient:
    name = f"[{host}]" if ":" in host else host
    return loopback.client(TIMEOUT_S, base_url=f"http://{name}:{port}", limits=ONE_EACH)


async def _get(client: httpx.AsyncClient, path: str, key: str) -> str | None:
    headers = {"authorization": f"Bearer {key}"} if key else {}
    body = bytearray()
    try:
        async with client.stream("GET", path, headers=headers) as answer:
            if answer.status_code != 200:
                return None
            async for piece in answer.aiter_bytes():
                body += piece
                if len(body) > BODY_LIMIT:
                    return None
    except (httpx.HTTPError, httpx.InvalidURL):
        return None
    return body.decode("utf-8", "replace")
