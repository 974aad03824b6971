"""Logs: list, read, filter, search, follow, delete."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable

from starlette.responses import Response

from studio_core import wire
from studio_core.controller import sse
from studio_core.controller.endpoint import Call, Endpoint, Query, Table
from studio_core.controller.logbook import Log, Logbook
from studio_core.errors import BadValue, NotFound

POLL_S, IDLE_POLL_S = 0.05, 0.25
LINE_LIMIT = 64 * 1024


def _book(call: Call) -> Logbook:
    return Logbook(call.services.places)


async def every(call: Call) -> wire.Logs:
    return wire.Logs(sessions=await asyncio.to_thread(_book(call).list))


async def one(call: Call) -> wire.LogPage:
    log = await asyncio.to_thread(_book(call).find, call.path["log_id"])
    return await asyncio.to_thread(page, log, call)


def page(log: Log, call: Call) -> wire.LogPage:
    """The last lines, or those from `start` on; of all lines those that hold the wanted text."""
    query, reader = call.query, log.reader
    size = reader.size
    start, end = max(0, query["start"]), size if query["end"] < 0 else min(query["end"], size)
    keep = wanted(query["filter"], query["search"])
    asked = query["start"] >= 0
    found = reader.first(query["limit"], start, end, keep) if asked else reader.last(query["limit"], end, keep)
    lines = [line.decode("utf-8", "replace") for line in found.lines]
    return wire.LogPage(
        id=log.id, generation=log.generation, start=start if asked else found.start, end=end, size=size,
        skipped=reader.read(start, 1).skipped if asked else 0, matches=found.matches if keep else None,
        lines=lines, logs=lines, content="\n".join(lines),
    )


def wanted(exact: str, loose: str) -> Callable[[bytes], bool] | None:
    """A test of lines: `exact` must be in them as it is, `loose` in any case."""
    if not exact and not loose:
        return None
    needle, low = exact.encode("utf-8", "surrogatepass"), loose.lower().encode("utf-8", "surrogatepass")
    return lambda line: needle in line and (not low or low in line.lower())


async def follow(call: Call) -> Response:
    """From the place that `Last-Event-ID` or the query names, else from the beginning of what is kept."""
    log = await asyncio.to_thread(_book(call).find, call.path["log_id"])
    start = call.query["offset"]
    generation = call.query["generation"]
    if resumed := call.request.headers.get("last-event-id"):
        generation, start = _place(resumed)
    if generation not in (0, log.generation):
        start = 0
    return sse.stream(_frames(call, log, start))


def _place(text: str) -> tuple[int, int]:
    generation, _, offset = text.partition(":")
    if not (generation.isascii() and generation.isdigit() and offset.isascii() and offset.isdigit()):
        raise BadValue("this place in the log cannot be read", repr(text[:40]), "send an id that this stream gave")
    return int(generation), int(offset)


async def _frames(call: Call, log: Log, start: int) -> AsyncIterator[bytes]:
    """One frame per line; `skipped` where bytes are no longer kept; `end` when the engine is gone and all is told."""
    rest, pause, spoken = b"", POLL_S, time.monotonic()
    while True:
        chunk = await asyncio.to_thread(log.reader.read, start)
        if chunk.data:
            if chunk.skipped:
                yield sse.frame("skipped", {"bytes": chunk.skipped}, f"{log.generation}:{chunk.start}")
                rest = b""
            start, pause, spoken = chunk.end, POLL_S, time.monotonic()
            frames, rest = cut(rest + chunk.data, chunk.end, log.generation)
            yield frames
            continue
        if not log.live:
            if rest:
                yield sse.frame("log", {"line": rest.decode("utf-8", "replace")}, f"{log.generation}:{start}")
            yield sse.frame("end", {"offset": start}, f"{log.generation}:{start}")
            return
        if time.monotonic() - spoken > call.services.settings.ping_s:
            yield sse.PING
            spoken = time.monotonic()
        await asyncio.sleep(pause)
        pause = min(pause * 1.2, IDLE_POLL_S)
        try:
            log = await asyncio.to_thread(_book(call).find, log.id)
        except NotFound:
            return


def cut(data: bytes, end: int, generation: int) -> tuple[bytes, bytes]:
    """The frames of all whole lines, and what is left; an endless line is cut."""
    *lines, rest = data.split(b"\n")
    if len(rest) > LINE_LIMIT:
        lines, rest = [*lines, rest], b""
    place = end - len(data)
    frames = []
    for line in lines:
        place = min(place + len(line) + 1, end)
        frames.append(sse.frame("log", {"line": line.decode("utf-8", "replace")}, f"{generation}:{place}"))
    return b"".join(frames), rest


async def delete(call: Call) -> wire.Done:
    await asyncio.to_thread(_book(call).delete, call.path["log_id"])
    return wire.Done()


ENDPOINTS: Table = {
    ("GET", "/logs"): Endpoint(every, wire.Logs),
    ("GET", "/logs/{log_id}"): Endpoint(one, wire.LogPage, query=(
        Query("limit", int, 2000, "lines at most", low=1, high=20000),
        Query("start", int, -1, "from this byte on; without it the end of the log", low=-1),
        Query("end", int, -1, "up to this byte", low=-1),
        Query("filter", str, "", "lines that hold this text"),
        Query("search", str, "", "lines that hold this text in any case"),
    )),
    ("DELETE", "/logs/{log_id}"): Endpoint(delete, wire.Done),
    ("GET", "/logs/{log_id}/stream"): Endpoint(follow, media=sse.MEDIA, query=(
        Query("offset", int, 0, "the byte to go on from"),
        Query("generation", int, 0, "the generation that offset belongs to"),
    )),
}
