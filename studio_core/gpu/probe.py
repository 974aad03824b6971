"""The probe: a process of its own that talks to NVML, for NVML can hang or crash. Prints one JSON sample per line.

`python -m studio_core.gpu.probe`: a line on stdin is the seconds between samples from now on, and asks for one at once;
the end of stdin is its end. A field that NVML does not give is null, never 0.
"""

from __future__ import annotations

import json
import os
import select
import sys
import threading
import time
from typing import Any

import psutil

from studio_core.gpu.nvml import Nvml

STDIN = 0
# How long a sample waits for the driver before it is printed with the figures of the last answer.
PATIENCE_S = 0.5


class Driver:
    """NVML in a thread: while a call hangs, samples go on and say how old the driver's last answer is."""

    def __init__(self) -> None:
        self._answer: dict[str, Any] = {"gpus": [], "reason": "the driver has not answered yet", "driver": ""}
        self._at = time.monotonic()
        self._asked = threading.Event()
        self._answered = threading.Event()
        self._answered.set()
        threading.Thread(target=self._run, name="nvml", daemon=True).start()

    def sample(self) -> dict[str, Any]:
        """The newest answer, and in `age_s` how many seconds ago the driver gave it."""
        if self._answered.is_set():
            self._answered.clear()
            self._asked.set()
        current = self._answered.wait(PATIENCE_S)
        return {**self._answer, "age_s": 0.0 if current else time.monotonic() - self._at}

    def _run(self) -> None:
        nvml = Nvml()
        while self._asked.wait():
            self._asked.clear()
            self._answer, self._at = nvml.sample(), time.monotonic()
            self._answered.set()


def host(cores: bool) -> dict[str, Any]:
    """Processor and memory of this machine, in percent and bytes; with `cores` each core by itself."""
    memory = psutil.virtual_memory()
    return {
        "cpu_percent": psutil.cpu_percent(None),
        "cpu_count": psutil.cpu_count() or 0,
        "load_1m": os.getloadavg()[0],
        "memory_total": memory.total,
        "memory_used": memory.used,
        "memory_available": memory.available,
        "cores": psutil.cpu_percent(None, percpu=True) if cores else [],
    }


def main() -> None:
    driver, interval = Driver(), 1.0
    psutil.cpu_percent(None)
    while True:
        sample = driver.sample()
        sys.stdout.write(json.dumps({**sample, "host": host(cores=not sample["gpus"])}) + "\n")
        sys.stdout.flush()
        readable, _, _ = select.select([STDIN], [], [], interval)
        if readable:
            # Not through sys.stdin: what its buffer holds, select does not see.
            lines = os.read(STDIN, 4096).split()
            if not lines:
                return
            interval = float(lines[-1])


if __name__ == "__main__":
    main()
