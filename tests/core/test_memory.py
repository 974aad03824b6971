"""Memory of real processes, and the total of all logs."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from studio_core.logs import cap
from studio_core.paths import Places
from studio_core.supervisor import identity, memory
from studio_core.supervisor.memory import Usage

MIB = 1024 * 1024


def test_what_a_process_holds_is_seen_and_a_dead_one_holds_nothing() -> None:
    text = "import sys; print(flush=True); sys.stdin.readline(); x = b'x' * (64 << 20); print(flush=True); sys.stdin.readline()"
    with subprocess.Popen([sys.executable, "-c", text], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None and process.stdout is not None
        found = [(process.pid, identity.ticks(process.pid) or 0)]
        process.stdout.readline()
        before = memory.usage(found)
        process.stdin.write(b"\n")
        process.stdin.flush()
        process.stdout.readline()
        after = memory.usage(found)
        assert after.outgrew(before, 60 * MIB) and not after.outgrew(before, 80 * MIB)
        assert memory.usage([(process.pid, found[0][1] - 1)]) == Usage()
    assert memory.usage(found) == Usage()


def test_growth_is_either_figure() -> None:
    assert Usage(10, 0).outgrew(Usage(5, 0), 5)
    assert Usage(0, 10).outgrew(Usage(5, 5), 5)
    assert not Usage(9, 9).outgrew(Usage(5, 5), 5)


def finished(places: Places, number: int, size: int) -> None:
    folder = places.history / f"one-{number}"
    (folder / "log").mkdir(parents=True)
    (folder / "log" / "0000000000000000.log").write_bytes(b"x" * size)
    at = time.time() - 1000 + number
    os.utime(folder, (at, at))


def test_the_oldest_logs_go_when_all_together_are_too_long(tmp_path: Path) -> None:
    places = Places(tmp_path / "state")
    places.create()
    for number in range(5):
        finished(places, number, 100)
    (places.instance("two-1") / "log").mkdir(parents=True)
    (places.instance("two-1") / "log" / "0000000000000000.log").write_bytes(b"x" * 100)
    assert cap.prune(places, 1000) == []
    assert cap.prune(places, 350) == ["one-2", "one-1", "one-0"]
    assert sorted(folder.name for folder in places.history.iterdir()) == ["one-3", "one-4"]
    assert cap.prune(places, 1) == ["one-3"]
    assert places.instance("two-1").exists() and (places.history / "one-4").exists()
