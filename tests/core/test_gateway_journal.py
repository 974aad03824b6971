"""The journal's segments: closed by their writer, whole lines only, on a full disk too; and waiting bodies."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from studio_core.errors import Unavailable
from studio_core.gateway import journal as module
from studio_core.gateway.holding import Cloakroom
from studio_core.gateway.journal import Journal
from studio_core.gateway.request import Request
from studio_core.paths import Places, daemon_environment
from tests.wait import wait_until

CLOSED = {"t": "closed"}


def lines(folder: Path) -> list[list[Any]]:
    """Each segment's lines."""
    return [[json.loads(line) for line in path.read_bytes().splitlines()] for path in sorted(folder.glob("*.jsonl"))]


def test_lines_in_order_closed_and_private(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "w")
    for number in range(500):
        journal.line(t="start", id=number)
    journal.close()
    [found] = lines(tmp_path)
    assert [line.get("id") for line in found[:-1]] == list(range(500))
    assert found[-1] == CLOSED
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}


def test_the_lock_is_held_for_life(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "w")
    handle = os.open(tmp_path / "w.lock", os.O_RDWR)
    with pytest.raises(BlockingIOError):
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    journal.close()
    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(handle)


def test_segments_by_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SEGMENT_BYTES", 100)
    journal = Journal(tmp_path, "w")
    for number in range(5):
        journal.line(t="start", id=number, text="x" * 200)
        wait_until(lambda number=number: len(lines(tmp_path)) == number + 1)  # type: ignore[misc]
    journal.close()
    found = lines(tmp_path)
    assert [segment[0]["id"] for segment in found] == list(range(5))
    assert all(segment[-1] == CLOSED for segment in found)


def test_segments_by_age(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SEGMENT_S", 0.05)
    journal = Journal(tmp_path, "w")
    journal.line(t="start", id=1)
    wait_until(lambda: lines(tmp_path) and lines(tmp_path)[0][-1] == CLOSED)
    journal.close()


def test_a_full_queue_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "QUEUE_LINES", 2)
    monkeypatch.setattr(Journal, "_write", lambda self: None)
    journal = Journal(tmp_path, "w")
    for number in range(5):
        journal.line(t="start", id=number)
    assert journal.lost == 3


# No file grows past 4 KiB in this process: writes are cut short in the middle of a line, as on a full disk.
FULL = """
import pathlib, resource, signal, sys
from studio_core.gateway.journal import Journal
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
journal = Journal(pathlib.Path(sys.argv[1]), "w")
for number in range(400):
    journal.line(t="start", id=number)
journal.close()
print(journal.lost)
"""


def test_a_full_disk_tears_no_line(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path)],
        capture_output=True, text=True, check=True, env=daemon_environment(), timeout=30,
    )
    kept = [line for segment in lines(tmp_path) for line in segment if line != CLOSED]
    assert len(kept) + int(done.stdout) == 400
    assert int(done.stdout) > 0


async def test_waiting_bodies_share_memory_then_a_file_then_are_refused(places: Places) -> None:
    room = Cloakroom(places.root, memory=10, files=20)
    first, second, third = (Request("POST", b"/", [], "", body=bytes([65 + n]) * 8) for n in range(3))
    before = set(places.root.iterdir())
    async with room.keep(first) as one, room.keep(second) as two:
        assert (room.held, room.filed) == (8, 8)
        assert second.body == b""
        assert (one(), two()) == (b"A" * 8, b"B" * 8)
        assert set(places.root.iterdir()) == before, "the file has no name"
        async with room.keep(third) as three:
            assert three() == b"C" * 8
            with pytest.raises(Unavailable):
                async with room.keep(Request("POST", b"/", [], "", body=b"D" * 8)):
                    pass
    assert (room.held, room.filed) == (0, 0)
