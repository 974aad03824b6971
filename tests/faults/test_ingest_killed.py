"""The ingestion killed at any moment, again and again, while a gateway's journal grows and dies: every row, once."""

from __future__ import annotations

import asyncio
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

from studio_core.gateway.journal import Journal
from studio_core.paths import Places
from studio_core.store.store import Store
from studio_core.usage.ingest import Ingest
from tests.wait import wait_until

INGEST = """
import asyncio, pathlib, sys
from studio_core.paths import Places
from studio_core.store.store import Store
from studio_core.usage import segment
from studio_core.usage.ingest import Ingest

segment.CHUNK_BYTES = 4096  # many transactions, so that a kill falls between and into them

async def main():
    places = Places(pathlib.Path(sys.argv[1]))
    store = Store(places.root / "controller.db")
    await store.start()
    await Ingest(store, places).start()
    await asyncio.Event().wait()

asyncio.run(main())
"""
REQUESTS, KILLS, SEED = 6000, 8, 20261124
# A gateway that writes REQUESTS requests, never ends the last ten, and is killed.
GATEWAY = f"""
import pathlib, sys, time
from studio_core.gateway import journal
journal.SEGMENT_BYTES = 64 * 1024
found = journal.Journal(pathlib.Path(sys.argv[1]), "gw")
for number in range({REQUESTS}):
    found.line(t="start", id=f"r{{number}}", at=1.0 + number, model="m")
    if number < {REQUESTS} - 10:
        found.line(t="end", id=f"r{{number}}", at=2.0 + number, status=200, outcome="ok", completion_tokens=number)
    if number % 20 == 0:
        time.sleep(0.01)
while found.waiting:
    time.sleep(0.01)
print("written", flush=True)
time.sleep(60)
"""


def spawn(text: str, folder: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", text, str(folder)], stdout=subprocess.PIPE)


def end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


def count(database: Path) -> int:
    """Rows that are committed by now; 0 before there is a table."""
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    try:
        return int(connection.execute("SELECT count(*) FROM requests").fetchone()[0])
    except sqlite3.OperationalError:
        return 0
    finally:
        connection.close()


def test_every_row_survives_kills_of_both_sides(tmp_path: Path) -> None:
    places = Places(tmp_path / "state")
    places.create()
    chance = random.Random(SEED)
    database = places.root / "controller.db"
    gateway = spawn(GATEWAY, places.journal)
    for _ in range(KILLS):
        ingest = spawn(INGEST, places.root)
        before = count(database) if database.exists() else 0
        moment = time.monotonic() + chance.uniform(0.0, 0.3)
        wait_until(lambda: database.exists() and (count(database) > before or gateway.poll() is not None), 20, "progress")  # noqa: B023
        wait_until(lambda: time.monotonic() > moment)  # noqa: B023
        end(ingest)
    assert gateway.stdout is not None and gateway.stdout.readline() == b"written\n"
    wait_until(lambda: f'"id":"r{REQUESTS - 1}"' in last_segment(places), what="the last line on disk")
    end(gateway)
    found = asyncio.run(taken(places))
    assert sorted(found) == sorted(f"r{number}" for number in range(REQUESTS))
    for number in range(REQUESTS):
        expected = (1.0 + number, "ok", number) if number < REQUESTS - 10 else (1.0 + number, "interrupted", None)
        assert found[f"r{number}"] == expected
    assert list(places.journal.iterdir()) == []


def last_segment(places: Places) -> str:
    return max(places.journal.glob("*.jsonl")).read_text()


async def taken(places: Places) -> dict[str, tuple[float, str, int | None]]:
    """What is in the database when a controller that lives has taken in the rest."""
    store = Store(places.root / "controller.db")
    await store.start()
    try:
        ingest = Ingest(store, places)
        await ingest.start()
        await ingest.stop()
        assert ingest.bad == 0 and not ingest.problem
        check = await store.read("PRAGMA integrity_check")
        assert check[0][0] == "ok"
        rows = await store.read("SELECT id, started_at, outcome, completion_tokens FROM requests")
        return {row["id"]: (row["started_at"], row["outcome"], row["completion_tokens"]) for row in rows}
    finally:
        await store.stop()


def test_the_gateways_journal_is_the_one_under_test(tmp_path: Path) -> None:
    """The names and the closing line that ingestion relies on are those that the gateway writes."""
    journal = Journal(tmp_path, "gw")
    journal.line(t="start", id="r1", at=1.0)
    journal.close()
    assert (tmp_path / "gw-000001.jsonl").read_bytes().endswith(b'{"t":"closed"}\n')
    assert (tmp_path / "gw.lock").exists()
