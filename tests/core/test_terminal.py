"""The pty harness and the watch for leftovers, on which other tests rely."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from studio_core.bench.screen import latencies, p95, processor, steady
from tests import leftover
from tests.terminal import Window
from tests.wait import wait_until

ROOT = Path(__file__).parents[2]
ECHO = """
import os, signal, sys
def show(*_):
    size = os.get_terminal_size()
    print(f"{size.columns} by {size.lines}", flush=True)
signal.signal(signal.SIGWINCH, show)
show()
for line in sys.stdin:
    print(f"\\x1b[2J\\x1b[H\\x1b[>1u\\x1b[?2026$pread {line.strip()}", flush=True)
"""


def test_keys_reach_the_program_and_its_screen_is_read() -> None:
    with Window([sys.executable, "-c", ECHO], columns=50, rows=9) as window:
        window.until("50 by 9")
        window.send("hello\r")
        window.until("read hello")
        assert window.lines[0] == "read hello"
        window.resize(60, 12)
        window.until("60 by 12")
        assert window.received > 0 and window.cost().rss > 1_000_000


def test_what_a_watched_program_costs_and_how_soon_it_answers() -> None:
    with Window([sys.executable, "-c", ECHO]) as window:
        window.until("120 by 40")
        quiet = steady(window, 0.2, settle=0.0)
        assert quiet.cpu < 50 and quiet.bytes_s == 0 and quiet.rss > 1_000_000
        taken = latencies(window, [("one\r", "read one"), ("two\r", "read two"), ("one\r", "read one")], pause=0.0)
        assert all(0 < each < 10_000 for each in taken) and p95(taken) == max(taken)
    with pytest.raises(ProcessLookupError):
        processor(window.pid)


def test_a_hang_up_ends_a_program_that_does_not_care() -> None:
    with Window([sys.executable, "-c", ECHO]) as window:
        window.until("120 by 40")
        window.hang_up()
        assert window.ended() < 0


DISPOSITIONS = "import signal; print(*(signal.getsignal(one) for one in (signal.SIGHUP, signal.SIGINT)))"
KEPT = f"""
import os, signal, subprocess, sys
from tests import disposition
disposition.keep_to_ourselves()
os.kill(os.getpid(), signal.SIGHUP)
os.kill(os.getpid(), signal.SIGINT)
subprocess.run([sys.executable, "-c", {DISPOSITIONS!r}], check=True)
"""


def test_what_nohup_ignores_is_not_handed_on() -> None:
    argv = ["sh", "-c", 'trap "" HUP INT; exec "$@"', "sh", sys.executable, "-c"]
    done = subprocess.run([*argv, DISPOSITIONS], capture_output=True, text=True, check=True)
    assert done.stdout == "1 1\n", "the shell does ignore them"
    done = subprocess.run([*argv, KEPT], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.startswith("0 <built-in function default_int_handler>")


def test_what_was_never_written_is_said_with_what_was() -> None:
    with Window([sys.executable, "-c", "print('something else')"]) as window, pytest.raises(TimeoutError, match="something else"):
        window.wait_for("this", 60.0)


def test_a_leftover_is_found_by_its_environment_and_ended(state_dir: Path) -> None:
    argv = [sys.executable, "-c", "import time; print(flush=True); time.sleep(60)"]
    process = subprocess.Popen(argv, env={"VLLM_STUDIO_DATA_DIR": str(state_dir)}, stdout=subprocess.PIPE)
    with process:
        assert process.stdout is not None and process.stdout.readline()
        found = leftover.find(state_dir)
        assert [one.pid for one in found] == [process.pid]
        leftover.end(found)
        wait_until(lambda: process.poll() is not None)
    assert leftover.find(state_dir) == []
