"""The real app in a real pseudo-terminal: it shows the house, launches with Enter, and its end costs nothing."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator

import pyte
import pytest

from studio_core.paths import daemon_environment
from tests.house import House
from tests.wait import wait_until

ROWS, COLUMNS = 24, 80
# A model that does not run: never started, or stopped by the test before.
RESTS = ("stopped", "on hold")


class Terminal:
    """The app on a pseudo-terminal of 80x24, its screen kept by an emulator."""

    def __init__(self, home: House) -> None:
        self.master, slave = pty.openpty()
        environment = daemon_environment() | {
            "VLLM_STUDIO_DATA_DIR": str(home.root), "TERM": "xterm-256color", "LINES": str(ROWS), "COLUMNS": str(COLUMNS),
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "studio_tui", "--recipe", "one"], stdin=slave, stdout=slave, stderr=slave, env=environment,
            start_new_session=True, preexec_fn=_take_terminal,
        )
        os.close(slave)
        self._screen = pyte.Screen(COLUMNS, ROWS)
        self._stream = pyte.ByteStream(self._screen)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while True:
            try:
                data = os.read(self.master, 65536)
            except OSError:
                return
            if not data:
                return
            self._stream.feed(data)

    def text(self) -> str:
        return "\n".join(self._screen.display)

    def keys(self, text: str) -> None:
        os.write(self.master, text.encode())

    def close(self) -> None:
        """What is left of it is ended."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


def _take_terminal() -> None:
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


@pytest.fixture
def terminal(home: House) -> Iterator[Terminal]:
    found = Terminal(home)
    try:
        wait_until(lambda: any(word in found.text() for word in RESTS), what="the recipe is on the screen")
        yield found
    finally:
        found.close()


def test_enter_launches_and_leaving_stops_nothing(home: House, terminal: Terminal) -> None:
    terminal.keys("\r")
    wait_until(lambda: "ready" in terminal.text(), what="the row says ready")
    before = home.instance("one")
    terminal.keys("q")
    wait_until(lambda: terminal.process.poll() is not None, what="it leaves")
    assert terminal.process.returncode == 0
    assert home.instance("one").engine_pid == before.engine_pid


def test_a_stop_is_asked_for_by_name(home: House, terminal: Terminal) -> None:
    home.launch("one")
    wait_until(lambda: "ready" in terminal.text())
    terminal.keys("s")
    wait_until(lambda: "Stop the model one?" in terminal.text(), what="the question names the model")
    terminal.keys("y")
    wait_until(lambda: not home.status().instances, what="it is stopped")


def test_a_terminal_that_hangs_up_takes_only_the_app(home: House, terminal: Terminal) -> None:
    before = home.launch("one")
    os.close(terminal.master)
    wait_until(lambda: terminal.process.poll() is not None, what="the app is gone")
    assert home.instance("one").engine_pid == before.engine_pid


def test_a_killed_app_takes_nothing_with_it(home: House, terminal: Terminal) -> None:
    before = home.launch("one")
    terminal.process.send_signal(signal.SIGKILL)
    terminal.process.wait()
    assert home.instance("one").engine_pid == before.engine_pid
