"""The database: one write connection for life on a thread of its own, read-only connections beside it."""

from __future__ import annotations

import asyncio
import os
import shlex
import sqlite3
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import aiosqlite

from studio_core import room
from studio_core.errors import DiskFull, StoreError
from studio_core.store.migration import STEPS, VERSION

T = TypeVar("T")
# Primary codes (https://www.sqlite.org/rescode.html) behind which a full disk may stand.
_PERHAPS_FULL = frozenset({sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN})


class Store:
    """SQLite in WAL mode. The controller is its only writer; every write is one transaction."""

    def __init__(self, path: Path) -> None:
        self.notices: list[str] = []
        self._path = path
        self._writer: sqlite3.Connection | None = None
        self._reader: aiosqlite.Connection | None = None
        self._thread = ThreadPoolExecutor(1, "store")

    @property
    def path(self) -> Path:
        return self._path

    async def start(self) -> None:
        """Open, and bring the schema up to date.

        Raises:
            StoreError: the database is newer than this program, or cannot be opened. A corrupt one is set aside.
        """
        try:
            await asyncio.to_thread(prepare, self._path, self.notices)
            self._writer = await asyncio.get_running_loop().run_in_executor(self._thread, _open, self._path)
            self._reader = await aiosqlite.connect(f"file:{self._path}?mode=ro", uri=True, isolation_level=None)
        except (sqlite3.Error, OSError) as error:
            raise _translated(error, self._path) from error
        self._reader.row_factory = sqlite3.Row

    async def stop(self) -> None:
        if self._reader is not None:
            await self._reader.close()
        if self._writer is not None:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._writer.close)
        self._reader = self._writer = None
        self._thread.shutdown()

    async def write(self, work: Callable[[sqlite3.Connection], T], then: Callable[[], None] = lambda: None) -> T:
        """Run `work` on the writer's thread inside one transaction; its error undoes it. `then` is called there when it is stored.

        Raises:
            DiskFull, StoreError: what SQLite could not do.
        """
        writer = self._writer
        if writer is None:
            raise StoreError("the database is closed")
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, _transaction, writer, work, then)
        except sqlite3.Error as error:
            raise _translated(error, self._path) from error

    async def read(self, sql: str, parameters: Sequence[Any] = ()) -> list[sqlite3.Row]:
        """The rows of a query, on a connection that cannot write."""
        if self._reader is None:
            raise StoreError("the database is closed")
        try:
            return list(await self._reader.execute_fetchall(sql, parameters))
        except sqlite3.Error as error:
            raise _translated(error, self._path) from error


def _open(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA synchronous = NORMAL")
    return connection


def _transaction(
    connection: sqlite3.Connection, work: Callable[[sqlite3.Connection], T], then: Callable[[], None] = lambda: None
) -> T:
    connection.execute("BEGIN IMMEDIATE")
    try:
        result = work(connection)
        connection.execute("COMMIT")
    except BaseException:
        connection.rollback()
        raise
    then()
    return result


def _translated(error: sqlite3.Error | OSError, path: Path) -> StoreError | DiskFull:
    """Without room for its index SQLite says of a full disk only that reading or opening failed."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL or (code in _PERHAPS_FULL and room.is_scarce(path.parent)):
        return room.full(path, f"{path.name} could not grow, what was stored is whole")
    if isinstance(error, OSError) and room.is_full(error):
        return room.full(path, f"{path.name} could not be written")
    if isinstance(error, OSError):
        hint = f"it must be yours: chown {os.getuid()} {shlex.quote(str(path))}, chmod 600; or set VLLM_STUDIO_DB_PATH"
        return StoreError("the database cannot be opened", f"{path}: {error.strerror or error}", hint)
    return StoreError("the database could not do it", f"{path}: {error}", "see: studio doctor")


def prepare(path: Path, notices: list[str]) -> None:
    """Create or migrate the file, with a backup before each step; set a corrupt one aside.

    Raises:
        StoreError: it was written by a newer version.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Opened by us first: of a file that may not be opened SQLite does not say why.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    if not _sound(path):
        _set_aside(path, notices)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version > VERSION:
            raise StoreError(
                f"the database is of a newer version ({version})", f"{path}; this program knows {VERSION}",
                "upgrade Studio, or set VLLM_STUDIO_DB_PATH to another file",
            )
        fresh = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
        for number in range(version, VERSION):
            if not fresh:
                _back_up(connection, path, number)
            _transaction(connection, lambda it, number=number: _step(it, number))  # type: ignore[misc]
    finally:
        connection.close()


def _step(connection: sqlite3.Connection, number: int) -> None:
    STEPS[number](connection)
    connection.execute(f"PRAGMA user_version = {number + 1}")


def _back_up(connection: sqlite3.Connection, path: Path, version: int) -> None:
    target = path.with_name(f"{path.name}.before-{version + 1}")
    os.close(os.open(target, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    copy = sqlite3.connect(target)
    try:
        connection.backup(copy)
    finally:
        copy.close()


def _sound(path: Path) -> bool:
    connection = sqlite3.connect(path)
    try:
        return bool(connection.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok")
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):
            raise
        return False
    finally:
        connection.close()


def _set_aside(path: Path, notices: list[str]) -> None:
    """Rename the file and its WAL; a person may still rescue what is in them."""
    stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
    target = path.with_name(f"{path.name}.corrupt-{stamp}")
    for suffix in ("", "-wal", "-shm"):
        source = path.with_name(path.name + suffix)
        if source.exists():
            source.rename(target.with_name(target.name + suffix))
    notices.append(f"the database was corrupt; it is kept as {target.name}, and a new one was started")
