"""Server-sent events: frames, comment pings in silence, and the headers that keep proxies from buffering."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from datetime import UTC, datetime
from typing import Any

import msgspec
from starlette.responses import StreamingResponse

from studio_core.controller.endpoint import Query
from studio_core.events import Subscription

MEDIA = "text/event-stream"
PING = b": ping\n\n"
SILENCE = Query("ping", float, 0.0, "seconds of silence before a comment, for who wants to know soon that nobody is there", 0.1)
HEADERS = {"cache-control": "no-cache, no-transform", "x-accel-buffering": "no"}


def frame(kind: str, data: Any, number: str = "") -> bytes:
    """One event as vLLM Studio framed it: `data` holds the value and the time. JSON has no line breaks of its own."""
    body = msgspec.json.encode({"data": data, "timestamp": datetime.now(UTC).isoformat()})
    head = f"id: {number}\n" if number else ""
    name = f"event: {kind}\n" if kind else ""
    return f"{head}{name}data: ".encode() + body + b"\n\n"


def stream(frames: AsyncIterator[bytes], status: int = 200) -> StreamingResponse:
    return StreamingResponse(frames, status, HEADERS, MEDIA)


async def pinged(frames: AsyncIterator[bytes], ping_s: float) -> AsyncGenerator[bytes, None]:
    """The frames, and a comment where none came for so long: who reads can tell a slow one from a Studio that is gone."""
    following = asyncio.ensure_future(anext(frames, None))
    try:
        while True:
            done, _ = await asyncio.wait({following}, timeout=ping_s)
            if not done:
                yield PING
            elif (found := following.result()) is None:
                return
            else:
                yield found
                following = asyncio.ensure_future(anext(frames, None))
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


async def listen(subscription: Subscription, ping_s: float, named: bool) -> AsyncIterator[bytes]:
    """A subscription as frames. `named` false leaves the event's name to its data, for clients that see only such."""
    with subscription:
        while True:
            try:
                event = await subscription.next(ping_s)
            except StopAsyncIteration:
                return
            if event is None:
                yield PING
            elif named:
                yield frame(event.event, event.data, event.id)
            else:
                yield frame("", {"event": event.event, "value": event.data}, event.id)
