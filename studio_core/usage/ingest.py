"""Takes the usage journal into the database: no request is lost or counted twice, whoever is killed when."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
import time

from studio_core.errors import StudioError
from studio_core.paths import Places
from studio_core.store.request import interrupt, upsert
from studio_core.store.store import Store
from studio_core.usage.line import COLUMNS, Line, parse
from studio_core.usage.segment import Folder, Segment, is_alive, is_closed, look, read

LOOK_S = 1.0
# How often dead writers are looked for while nothing changes.
DEATH_S = 2.0
# After a full disk.
RETRY_S = 5.0

_log = logging.getLogger(__name__)


class Ingest:
    """Watches the journal's folder. `bad` counts lines that could not be read, `problem` says why it stands still."""

    def __init__(self, store: Store, places: Places) -> None:
        self.bad = 0
        self.problem = ""
        self._store = store
        self._folder = places.journal
        self._turn = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._seen: Folder | None = None
        self._last = 0.0
        self._tidied = False

    async def start(self) -> None:
        """Forget the offsets of segments that are gone, take in what is there, then watch."""
        await self._try()
        self._task = asyncio.create_task(self._watch(), name="ingest")

    async def stop(self) -> None:
        """Stop watching, and take in what is there."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        self._seen = None
        await self._try()

    async def flush(self) -> None:
        """Take in now every whole line that is on disk.

        Raises:
            DiskFull, StoreError: nothing is lost; the next flush takes it.
        """
        async with self._turn:
            if not self._tidied:
                await self._store.write(self._tidy)
                self._tidied = True
            dead = self._dead(look(self._folder))
            # Looked at again after the deaths were seen: what a dead writer wrote is then whole.
            for segment in look(self._folder).segments:
                await self._take(segment, segment.writer in dead)
            for writer in dead:
                await self._bury(writer)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(RETRY_S if self.problem else LOOK_S)
            await self._try()

    async def _try(self) -> None:
        try:
            seen = look(self._folder)
            if seen != self._seen or (seen.writers and time.monotonic() - self._last > DEATH_S):
                await self.flush()
                self._seen, self._last = seen, time.monotonic()
            self.problem = ""
        except (StudioError, OSError) as error:
            if not self.problem:
                _log.warning("the usage journal stands still: %s", error)
            self.problem = str(error)

    def _dead(self, folder: Folder) -> list[str]:
        written = {segment.writer for segment in folder.segments}
        return [writer for writer in sorted(folder.writers) if not is_alive(self._folder, writer, writer in written)]

    async def _take(self, segment: Segment, dead: bool) -> None:
        """Rows and offset in one transaction per chunk; the file goes when nothing more can come."""
        rows = await self._store.read("SELECT offset FROM journal WHERE segment = ?", (segment.path.name,))
        offset = int(rows[0]["offset"]) if rows else 0
        while data := await asyncio.to_thread(read, segment, offset):
            lines, bad = await asyncio.to_thread(parse, data)
            offset += len(data)
            await self._store.write(_Batch(segment, offset, lines))
            self.bad += bad
        if dead or is_closed(segment, offset):
            segment.path.unlink(missing_ok=True)
            await self._store.write(lambda connection: _forget(connection, segment.path.name))

    async def _bury(self, writer: str) -> None:
        await self._store.write(lambda connection: interrupt(connection, writer))
        (self._folder / f"{writer}.lock").unlink(missing_ok=True)

    def _tidy(self, connection: sqlite3.Connection) -> None:
        """A controller that was killed between unlinking a segment and noting it left its offset."""
        there = {segment.path.name for segment in look(self._folder).segments}
        for (name,) in connection.execute("SELECT segment FROM journal").fetchall():
            if name not in there:
                _forget(connection, name)


class _Batch:
    """Rows and offset, for one transaction."""

    def __init__(self, segment: Segment, end: int, lines: list[Line]) -> None:
        self._segment, self._end, self._lines = segment, end, lines

    def __call__(self, connection: sqlite3.Connection) -> None:
        writer = self._segment.writer
        upsert(connection, COLUMNS, ((one.id, writer, one.started_at, one.ended_at, *one.values) for one in self._lines))
        connection.execute("INSERT OR REPLACE INTO journal (segment, offset) VALUES (?, ?)", (self._segment.path.name, self._end))


def _forget(connection: sqlite3.Connection, name: str) -> None:
    connection.execute("DELETE FROM journal WHERE segment = ?", (name,))
