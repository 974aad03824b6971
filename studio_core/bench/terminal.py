"""A program in a real pseudo-terminal: what it writes, when, and what it costs. Tests and figures both use it."""

from __future__ import annotations

import fcntl
import os
import select
import shutil
import signal
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

from studio_core.bench.cost import Cost, cost

# What the environment would otherwise say about the terminal that we ourselves run in.
FOREIGN = ("COLUMNS", "LINES", "TMUX", "TMUX_PANE", "STY", "SSH_CONNECTION", "NO_COLOR", "TEXTUAL_COLOR_SYSTEM")


class Terminal:
    """Runs `argv` as leader of a session whose controlling terminal has `columns` by `rows` cells.

    A thread drains the terminal, so that the program never blocks on output, and counts bytes and reads.
    """

    def __init__(
        self, argv: Sequence[str], env: Mapping[str, str] | None = None, columns: int = 120, rows: int = 40, cwd: str | None = None
    ) -> None:
        self.output = bytearray()
        self.reads = 0
        self._news = threading.Condition()
        self._ended = False
        self._master, slave = os.openpty()
        self.resize(columns, rows)
        base = {name: value for name, value in (os.environ if env is None else env).items() if name not in FOREIGN}
        self.started = time.monotonic()
        try:
            # setsid(1) instead of code between fork and exec, which is unsafe beside threads.
            self.process = subprocess.Popen(
                [shutil.which("setsid") or "setsid", "--ctty", *argv], stdin=slave, stdout=slave, stderr=slave, cwd=cwd,
                env={**base, "TERM": "xterm-256color", "COLORTERM": "truecolor"},
            )
        finally:
            os.close(slave)
        stay, self._leave = os.pipe()
        self._drain = threading.Thread(target=self._read, args=(self._master, stay), name="terminal", daemon=True)
        self._drain.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def received(self) -> int:
        """Bytes that the program has written so far."""
        return len(self.output)

    def cost(self) -> Cost:
        """Processor time and memory of the program itself, without its children."""
        return cost(self.pid)

    def send(self, keys: str | bytes) -> None:
        """Type. Special keys are their escape sequences, Enter is a carriage return."""
        os.write(self._master, keys.encode() if isinstance(keys, str) else keys)

    def resize(self, columns: int, rows: int) -> None:
        """The kernel tells the program with SIGWINCH."""
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.columns, self.rows = columns, rows

    def wait_for(self, text: str | bytes, timeout: float = 10.0, start: int = 0) -> float:
        """Seconds from the start until `text` had been written as it stands, after the first `start` bytes.

        Raises:
            TimeoutError: it was not; with the last output.
        """
        wanted = text.encode() if isinstance(text, str) else text
        deadline = time.monotonic() + timeout
        with self._news:
            while self.output.find(wanted, start) < 0:
                rest = deadline - time.monotonic()
                if rest <= 0 or self._ended:
                    raise TimeoutError(f"{wanted!r} was not written; the end is {bytes(self.output[-400:])!r}")
                self._news.wait(rest)
        return time.monotonic() - self.started

    def hang_up(self) -> None:
        """Close the master side, as a lost SSH connection does: the kernel sends SIGHUP and reads give EIO."""
        handle, self._master = self._master, -1
        if handle < 0:
            return
        # A read under way would keep the terminal open, so the thread has to leave first.
        os.close(self._leave)
        self._drain.join()
        os.close(handle)

    def close(self) -> None:
        """Hang up and end the program."""
        self.hang_up()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def _read(self, master: int, stay: int) -> None:
        poll = select.poll()
        poll.register(master, select.POLLIN)
        poll.register(stay, 0)
        while all(handle == master for handle, _ in poll.poll()):
            try:
                data = os.read(master, 65536)
            except OSError:
                break  # EIO: no process has the terminal open any more.
            with self._news:
                self.output += data
                self.reads += 1
                self._news.notify_all()
        os.close(stay)
        with self._news:
            self._ended = True
            self._news.notify_all()
