"""The last table on disk, for a start without a controller."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os

import msgspec

from studio_core.gateway.table import Table
from studio_core.paths import Places

# Tables come by the dozen while a model loads, and whoever waits for one shall not wait for the disk.
SAVE_S = 0.1

log = logging.getLogger(__name__)


class Shelf:
    """Keeps the last table (0600): at once where another is let in by it, else within SAVE_S, or at `flush`."""

    def __init__(self, places: Places) -> None:
        self._file = places.table
        self._saved = Table(version=("", 0))
        self._next: Table | None = None
        self._due: asyncio.TimerHandle | None = None

    def read(self) -> Table:
        """The table of the last time; without one nobody but anonymous callers is known, and no model."""
        with contextlib.suppress(OSError, msgspec.DecodeError):
            self._saved = msgspec.json.decode(self._file.read_bytes(), type=Table)
        return self._saved

    def put(self, table: Table) -> None:
        self._next = table
        if (table.keys, table.policy) != (self._saved.keys, self._saved.policy):
            self.flush()
        elif self._due is None:
            self._due = asyncio.get_running_loop().call_later(SAVE_S, self.flush)

    def flush(self) -> None:
        if self._due is not None:
            self._due.cancel()
            self._due = None
        if self._next is not None:
            self._saved, self._next = self._next, None
            self._save(self._saved)

    def _save(self, table: Table) -> None:
        fresh = self._file.with_suffix(".new")
        try:
            handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(msgspec.json.encode(table))
            fresh.replace(self._file)
        except OSError as error:
            log.warning("%s is of an earlier time: %s", self._file, error)
            with contextlib.suppress(OSError):
                fresh.unlink()
