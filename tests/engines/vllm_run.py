"""One real vLLM as a child process in a session of its own, its output in a file. Used by what records and what tests it."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil

from tests.engines import vllm_environment
from tests.wait import wait_until

READY = "Application startup complete."
# A start takes 35 s on two idle cores, ten times that beside other work; waiting longer costs nothing where it comes.
START_S, END_S = 900.0, 120.0
TEST_S = 2 * (START_S + END_S)
# What a signal has not ended by then, it does not end.
SIGNAL_S = 40.0
# No message home, nothing from a hub, and memory that a small machine has.
ENVIRONMENT = {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1", "HF_HUB_OFFLINE": "1", "VLLM_CPU_KVCACHE_SPACE": "1"}


@dataclass
class Run:
    """`with Run(arguments, folder) as run`: afterwards nothing of its session is left."""

    arguments: Sequence[str]
    folder: Path
    env: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.argv = [str(vllm_environment.place() / "bin" / "vllm"), *self.arguments]
        self.log = self.folder / "output"
        self.started = time.monotonic()

    def __enter__(self) -> Self:
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                self.argv, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, cwd=self.folder,
                env={"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], "LANG": "C.UTF-8", **ENVIRONMENT, **self.env},
                start_new_session=True,
            )
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for one in self.family():
            one.kill()
        self.process.wait(END_S)
        wait_until(lambda: not self.family(), END_S, "vLLM's processes end")

    def text(self) -> str:
        return self.log.read_bytes().decode("utf-8", "replace")

    def until(self, words: str, timeout: float = START_S) -> None:
        """Wait for words in the output.

        Raises:
            AssertionError: the process ended, or the time is over; with the last lines.
        """
        def there() -> bool:
            said = words in self.text()
            assert said or self.process.poll() is None, self.text()[-3000:]
            return said

        wait_until(there, timeout, words)

    def end(self, number: int, group: bool = False) -> None:
        """Send a signal and wait for the front process, SIGNAL_S at most: a vLLM that loads may not end."""
        if group:
            os.killpg(self.process.pid, number)
        else:
            self.process.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(SIGNAL_S)

    def family(self) -> list[psutil.Process]:
        """Every living process of the session."""
        return [one for one in psutil.process_iter() if _alive(one) and _session(one.pid) == self.process.pid]

    def named(self, comm: str) -> psutil.Process:
        """The family's one process of this name, as it is cut to 15 characters."""
        return next(one for one in self.family() if comm_of(one.pid) == comm[:15])

    def tree(self) -> list[dict[str, Any]]:
        """The family as data: pid, ppid, pgid, sid, comm, command line, resident and shared-free memory in MiB."""
        return [row for one in self.family() if (row := _row(one)) is not None]


Act = Callable[[Run], None]


def comm_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").rstrip("\n")
    except OSError:
        return ""


def _row(one: psutil.Process) -> dict[str, Any] | None:
    try:
        memory = one.memory_full_info()
        return {
            "pid": one.pid, "ppid": one.ppid(), "pgid": os.getpgid(one.pid), "sid": os.getsid(one.pid), "comm": comm_of(one.pid),
            "cmdline": one.cmdline(), "threads": one.num_threads(), "rss_mib": memory.rss >> 20, "uss_mib": memory.uss >> 20,
            "marked": "VLLM_CPU_KVCACHE_SPACE" in one.environ(),
        }
    except (psutil.Error, OSError):
        return None


def _alive(one: psutil.Process) -> bool:
    try:
        return bool(one.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def _session(pid: int) -> int:
    try:
        return os.getsid(pid)
    except OSError:
        return -1
