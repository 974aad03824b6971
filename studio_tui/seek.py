"""The app's end of a process that looks through a log (`studio_core/logs/seeker.py`). Nothing here waits for it."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from studio_core.logs import needle
from studio_core.logs.needle import Want

PROGRAM = Path(needle.__file__).with_name("seeker.py")
Heard = Callable[["Seek", dict[str, Any]], None]
# The standard library is all that it needs.
INTERPRETER = ("-S", "-s", "-E")


def begun() -> subprocess.Popen[bytes]:
    """A process that waits to be told what to look for."""
    return subprocess.Popen(
        [sys.executable, *INTERPRETER, str(PROGRAM)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        cwd="/", env={"PATH": os.environ.get("PATH", ""), "LANG": os.environ.get("LANG", "C.UTF-8")},
    )


class Spare:
    """One such process that is there before it is wanted: to start it takes longer than most searches."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def warm(self) -> None:
        if self._process is None:
            self._process = begun()

    def take(self) -> subprocess.Popen[bytes]:
        process, self._process = self._process, None
        if process is not None and process.poll() is None:
            return process
        if process is not None:
            _end(process)
        return begun()

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            _end(self._process)
            self._process = None


def _end(process: subprocess.Popen[bytes]) -> None:
    process.wait()
    assert process.stdin is not None and process.stdout is not None
    process.stdout.close()
    with contextlib.suppress(OSError):
        process.stdin.close()


class Seek:
    """`heard(news)` is called from a thread, in the order of the answers, until `close`. The process is this one's from now on."""

    def __init__(
        self, paths: Sequence[str], wants: Sequence[Want], level: int, heard: Heard, process: subprocess.Popen[bytes] | None = None
    ) -> None:
        self.wants = tuple(wants)
        self._heard = heard
        self._over = False
        self._process = process or begun()
        threading.Thread(target=self._listen, name="seek", daemon=True).start()
        self.say(paths=list(paths), wants=[want._asdict() for want in wants], level=level)

    def say(self, **asked: Any) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(asked).encode("utf-8", "surrogatepass") + b"\n")
            self._process.stdin.flush()
        except OSError:
            self._over = True

    def close(self) -> None:
        """Whatever it is at, it ends now."""
        self._over = True
        self._process.kill()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if self._over:
                break
            self._heard(self, json.loads(line))
        self._process.kill()
        _end(self._process)
