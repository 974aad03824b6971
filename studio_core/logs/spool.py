"""What has come of a log from afar, kept on this disk under its own offsets: whatever reads logs reads it like one of ours."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import threading
from pathlib import Path

from studio_core.logs.segment import name

PREFIX = "studio-log-"
# What is kept of one log; then its oldest file goes.
MOST_BYTES = 256 * 1024 * 1024
FILE_BYTES = 16 * 1024 * 1024


class Spool:
    """A folder of segments. One thread writes; any may read. `close` leaves nothing, and nothing comes after it."""

    def __init__(self) -> None:
        sweep()
        self.path = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))
        self._lock = threading.Lock()
        self._out = -1
        self._begin = self._end = -1
        self._closed = False

    @property
    def end(self) -> int:
        """The offset after the last byte, -1 before the first came."""
        return self._end

    def append(self, end: int, data: bytes) -> None:
        """Bytes of the log that end at this offset. Those that are here already are left out; a gap stays one."""
        begin = end - len(data)
        with self._lock:
            if self._end >= 0 and begin < self._end:
                data, begin = data[self._end - begin:], self._end
            if not data or self._closed:
                return
            if self._out < 0 or begin != self._end or self._end - self._begin > FILE_BYTES:
                self._open(begin)
            with contextlib.suppress(OSError):
                os.write(self._out, data)
            self._end = begin + len(data)

    def prepend(self, begin: int, end: int, data: bytes) -> None:
        """Older bytes, from `begin` up to an offset that is here already."""
        with self._lock:
            if data and not self._closed:
                fresh = self.path / "older"
                fresh.write_bytes(data[:end - begin])
                fresh.rename(self.path / name(begin))

    def _open(self, begin: int) -> None:
        if self._out >= 0:
            os.close(self._out)
        self._begin = begin
        self._out = os.open(self.path / name(begin), os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        files = sorted(self.path.glob("*.log"))
        while len(files) > 1 and sum(file.stat().st_size for file in files) > MOST_BYTES:
            files.pop(0).unlink(missing_ok=True)

    def close(self) -> None:
        with self._lock:
            if self._out >= 0:
                os.close(self._out)
            self._out, self._closed = -1, True
            shutil.rmtree(self.path, ignore_errors=True)


def sweep() -> None:
    """Remove what apps have left that were killed."""
    for path in Path(tempfile.gettempdir()).glob(f"{PREFIX}*-*"):
        pid = path.name.removeprefix(PREFIX).partition("-")[0]
        if pid.isdigit() and not _lives(int(pid)):
            shutil.rmtree(path, ignore_errors=True)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
