"""Workers side by side: a test that is to be alone waits for the others, and they for it."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import turn
from tests.wait import wait_until

ROOT = Path(__file__).parents[2]
# Says when it has its turn, and gives it back when its input ends.
WORKER = """
import sys
from tests import turn
with turn.taken(sys.argv[1] == "alone"):
    print("has it", flush=True)
    sys.stdin.read()
"""


class Worker:
    def __init__(self, kind: str) -> None:
        pipe = subprocess.PIPE
        self.process = subprocess.Popen([sys.executable, "-c", WORKER, kind], stdin=pipe, stdout=pipe, text=True, cwd=ROOT)

    def has_it(self) -> bool:
        assert self.process.stdout is not None
        return self.process.stdout.readline() == "has it\n"

    def ends(self) -> None:
        self.process.communicate()


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[int, int]]:
    """Gate and floor of a run of our own."""
    monkeypatch.setenv(turn.RUN, "of-this-test")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    gate, floor = (os.open(path, os.O_RDWR | os.O_CREAT) for path in turn._paths())
    yield gate, floor
    os.close(gate)
    os.close(floor)


def is_free(file: int, kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    fcntl.flock(file, fcntl.LOCK_UN)
    return True


def test_others_run_together_and_one_that_is_to_be_alone_waits_at_the_gate(files: tuple[int, int]) -> None:
    gate, floor = files
    first, second = Worker("with others"), Worker("with others")
    assert first.has_it() and second.has_it()
    assert is_free(gate, fcntl.LOCK_EX) and is_free(floor, fcntl.LOCK_SH) and not is_free(floor, fcntl.LOCK_EX)
    alone = Worker("alone")
    wait_until(lambda: not is_free(gate, fcntl.LOCK_EX), what="it keeps later ones back")
    first.ends()
    second.ends()
    assert alone.has_it() and not is_free(floor, fcntl.LOCK_SH)
    late = Worker("with others")
    alone.ends()
    assert late.has_it()
    late.ends()
    assert is_free(gate, fcntl.LOCK_EX) and is_free(floor, fcntl.LOCK_EX)
