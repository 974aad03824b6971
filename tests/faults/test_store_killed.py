"""A migration killed after any statement, and a writer killed at any moment: old or new, never between."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

from studio_core.store.migration import VERSION
from studio_core.store.store import Store, prepare

TABLES = ("recipes", "requests")
OLD = """
CREATE TABLE recipes (id TEXT PRIMARY KEY, json TEXT NOT NULL, created_at TEXT, updated_at TEXT);
INSERT INTO recipes VALUES ('a', '{}', 't', 't');
"""
# Opens the database and kills itself before its nth SQL statement.
MIGRATE = """
import os, pathlib, signal, sqlite3, sys
left = int(sys.argv[2])

class Doomed(sqlite3.Connection):
    def execute(self, *arguments):
        global left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().execute(*arguments)

plain = sqlite3.connect
sqlite3.connect = lambda *a, **k: plain(*a, factory=Doomed, **k)
from studio_core.store.store import prepare
prepare(pathlib.Path(sys.argv[1]), [])
"""
WRITE = """
import pathlib, sqlite3, sys
from studio_core.store.store import _open, _transaction
connection = _open(pathlib.Path(sys.argv[1]))
number = 0
while True:
    def work(it):
        for part in range(3):
            it.execute("INSERT INTO samples VALUES (?, 'k', ?)", (number, "x" * 500))
    _transaction(connection, work)
    print(number, flush=True)
    number += 1
"""


def test_a_migration_killed_after_any_statement_leaves_old_or_new(tmp_path: Path) -> None:
    master = tmp_path / "master.db"
    with contextlib.closing(sqlite3.connect(master)) as connection:
        connection.executescript(OLD)
    versions = set()
    statement = 0
    while True:
        path = tmp_path / f"{statement}" / "controller.db"
        path.parent.mkdir()
        shutil.copy(master, path)
        done = subprocess.run([sys.executable, "-c", MIGRATE, str(path), str(statement)], check=False)
        versions.add(check(path))
        notices: list[str] = []
        prepare(path, notices)
        assert check(path) == VERSION and notices == []
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL
        statement += 2
    assert versions == set(range(VERSION + 1)) and statement > 20


def check(path: Path) -> int:
    """The version; everything that belongs to it is there, and nothing of the next."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        recipes, requests = ({row[1] for row in connection.execute(f"PRAGMA table_info({table})")} for table in TABLES)
        assert ("data" in recipes) == (version >= 1)
        assert ("version" in recipes) == (version >= 2) == ("outcome" in requests)
        assert ("writer" in requests) == (version >= 3)
        assert connection.execute("SELECT count(*) FROM recipes").fetchone()[0] == 1
        assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    return version


def test_a_killed_writer_leaves_whole_transactions_and_all_that_were_acknowledged(tmp_path: Path) -> None:
    path = tmp_path / "controller.db"
    asyncio.run(made(path))
    for _ in range(6):
        with subprocess.Popen([sys.executable, "-c", WRITE, str(path)], stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            for _ in range(25):
                last = int(writer.stdout.readline())
            writer.send_signal(signal.SIGKILL)
            writer.wait()
            rest = [int(line) for line in writer.stdout.read().splitlines() if line]
        acknowledged = max([last, *rest])
        with contextlib.closing(sqlite3.connect(path)) as connection:
            counts = dict(connection.execute("SELECT at, count(*) FROM samples GROUP BY at"))
            assert set(counts.values()) == {3} and set(range(acknowledged + 1)) <= set(counts)
            assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
            connection.execute("DELETE FROM samples")
            connection.commit()


async def made(path: Path) -> None:
    store = Store(path)
    await store.start()
    await store.stop()
