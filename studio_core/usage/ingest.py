"""From the gateways' journals to the `requests` table: rows and offset in one transaction, segments deleted only when done."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

from studio_core.errors import StudioError
from studio_core.paths import Places
from studio_core.store.store import Store

POLL_S = 0.5
# One transaction takes at most this much of a segment.
BATCH_BYTES = 1024 * 1024

START = ("id", "at", "path", "model", "recipe", "instance", "key", "stream")
END = (
    "status", "outcome", "ttft_s", "duration_s", "prompt_tokens", "completion_tokens", "cached_tokens", "reasoning_tokens",
    "finish", "chunks", "error",
)
_BEGIN = (
    "INSERT INTO requests (id, started_at, path, model, recipe, instance, key, stream) "
    "VALUES (:id, :at, :path, :model, :recipe, :instance, :key, :stream) ON CONFLICT (id) DO NOTHING"
)
# An end wins over "interrupted"; one whose start was lost makes the row by itself.
_FINISH = (
    "INSERT INTO requests (id, started_at, ended_at, recipe, instance, " + ", ".join(END) + ") "
    "VALUES (:id, :at - coalesce(:duration_s, 0), :at, :recipe, :instance, " + ", ".join(f":{name}" for name in END) + ") "
    "ON CONFLICT (id) DO UPDATE SET ended_at = :at, recipe = coalesce(:recipe, recipe), "
    "instance = coalesce(:instance, instance), " + ", ".join(f"{name} = :{name}" for name in END)
)


class Ingest:
    """Takes the journal in while the controller runs. `on_rows()` is told after each batch."""

    def __init__(self, store: Store, places: Places, on_rows: Callable[[], None] = lambda: None) -> None:
        self._store = store
        self._folder = places.journal
        self._on_rows = on_rows
        self._sizes: dict[str, int] = {}
        self._turn = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Take in all there is, then go on."""
        await self.flush()
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        await self.flush()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(POLL_S)
            if self._moved():
                with contextlib.suppress(StudioError):
                    await self.flush()

    def _moved(self) -> bool:
        """Whether a segment grew or its writer died, by names and sizes only."""
        sizes = {entry.name: entry.stat().st_size for entry in os.scandir(self._folder)}
        moved = sizes != self._sizes or any(name.endswith(".lock") and not _held(self._folder / name) for name in sizes)
        self._sizes = sizes
        return moved

    async def flush(self) -> None:
        """Take in every whole line that is on disk now."""
        async with self._turn:
            for lock in sorted(self._folder.glob("*.lock")):
                await self._writer(lock)

    async def _writer(self, lock: Path) -> None:
        """The segments of one gateway, in order. Its death is looked at before its last lines, so none can come after."""
        dead = not _held(lock)
        segments = sorted(self._folder.glob(f"{lock.stem}-*.jsonl"))
        for segment in segments:
            closed = await self._segment(segment)
            if closed or dead:
                await asyncio.to_thread(segment.unlink, missing_ok=True)
        if dead:
            await self._interrupt(lock.stem)
            await asyncio.to_thread(lock.unlink, missing_ok=True)

    async def _segment(self, segment: Path) -> bool:
        """Take a segment in; whether its writer has closed it."""
        rows = await self._store.read("SELECT offset FROM journal WHERE segment = ?", (segment.name,))
        offset, closed = (rows[0][0] if rows else 0), False
        while data := await asyncio.to_thread(_whole_lines, segment, offset):
            offset += len(data)
            lines = [json.loads(line) for line in data.splitlines() if line]
            closed = closed or any(line.get("t") == "closed" for line in lines)
            await self._store.write(_Batch(segment.name, offset, lines))
            self._on_rows()
        return closed or await asyncio.to_thread(_last_line, segment) == b'{"t":"closed"}'

    async def _interrupt(self, writer: str) -> None:
        """A dead writer's requests without an end were cut off by its death."""

        def work(connection: sqlite3.Connection) -> None:
            connection.execute(
                "UPDATE requests SET outcome = 'interrupted' WHERE outcome IS NULL AND id LIKE ?", (f"req-{writer}-%",)
            )
            connection.execute("DELETE FROM journal WHERE segment LIKE ?", (f"{writer}-%",))

        await self._store.write(work)


class _Batch:
    """Rows and offset, one transaction."""

    def __init__(self, segment: str, offset: int, lines: list[dict[str, Any]]) -> None:
        self._segment, self._offset, self._lines = segment, offset, lines

    def __call__(self, connection: sqlite3.Connection) -> None:
        for line in self._lines:
            if line["t"] == "start":
                connection.execute(_BEGIN, {name: line.get(name) for name in START})
            elif line["t"] == "end":
                connection.execute(_FINISH, {name: line.get(name) for name in (*START, *END)})
        connection.execute(
            "INSERT INTO journal VALUES (?, ?) ON CONFLICT (segment) DO UPDATE SET offset = excluded.offset",
            (self._segment, self._offset),
        )


def _whole_lines(segment: Path, offset: int) -> bytes:
    with segment.open("rb") as file:
        file.seek(offset)
        data = file.read(BATCH_BYTES)
    return data[: data.rfind(b"\n") + 1]


def _last_line(segment: Path) -> bytes:
    with segment.open("rb") as file:
        file.seek(max(0, segment.stat().st_size - 64))
        return file.read().rstrip(b"\n").rpartition(b"\n")[2]


def _held(lock: Path) -> bool:
    """Whether the writer lives: it holds its lock for life."""
    try:
        handle = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(handle)
    return False
