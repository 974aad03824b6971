"""Asking any OpenAI-like server which models it has. What it answers is a stranger's text: bounded, and nothing more than names."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any

import httpx

from studio_core import loopback

PATH = "/v1/models"
TIMEOUT_S = 2.0
BODY_LIMIT = 256 * 1024
NAMES, NAME_LETTERS = 20, 200


@dataclass(frozen=True, slots=True)
class Listing:
    """`status` is the answer's, 0 when there was none that could be read."""

    status: int = 0
    names: tuple[str, ...] = ()

    @property
    def keyed(self) -> bool:
        """It wants a key, or another one."""
        return self.status in (401, 403)


async def ask(host: str, port: int, key: str = "") -> Listing:
    """GET /v1/models, two seconds at most in all."""
    name = f"[{host}]" if ":" in host else host
    headers = {"authorization": f"Bearer {key}"} if key else {}
    try:
        async with (
            asyncio.timeout(TIMEOUT_S), loopback.client(TIMEOUT_S) as client,
            client.stream("GET", f"http://{name}:{port}{PATH}", headers=headers) as answer,
        ):
            body = bytearray()
            async for piece in answer.aiter_bytes():
                body += piece
                if len(body) > BODY_LIMIT:
                    return Listing()
            return Listing(answer.status_code, _names(bytes(body)) if answer.status_code == 200 else ())
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, ValueError, RecursionError):
        return Listing()


def _names(body: bytes) -> tuple[str, ...]:
    data: Any = json.loads(body)
    rows = data.get("data") if isinstance(data, dict) else None
    found = [row.get("id") for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    # JSON can spell half a character, which nothing else can carry.
    whole = [one[:NAME_LETTERS].encode("utf-8", "replace").decode() for one in found if isinstance(one, str) and one]
    return tuple(whole)[:NAMES]
