"""A log that lies elsewhere, which the screen takes from at its own pace: a thread fills, the app's tick empties."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from studio_core.client import Client, Stream
from studio_core.errors import StudioError
from studio_core.logs.spool import Spool
from studio_tui.boundary import safe_error

RETRY_S = 0.25
# Lines that a log from afar begins with, and the most that is fetched at once when somebody looks further back.
PAGE, PAGE_MOST = 2_000, 20_000
# Bytes a second beyond which the rest of a log from afar is skipped: only its end is fetched, some lines at a time.
FLOOD, FLOOD_LINES = 2 * 1024 * 1024, 500


class Tail:
    """A log that lies elsewhere, from its end on: what comes is kept in a spool, until `close`.

    It goes on by itself when Studio was away. What comes faster than FLOOD is skipped, and the skipped bytes are counted.
    """

    def __init__(self, connect: Callable[[], Client], log_id: str, first: Callable[[Tail], None]) -> None:
        self.log_id = log_id
        self.spool = Spool()
        self.lost = 0
        self.problem: StudioError | None = None
        self._connect, self._first = connect, first
        self._generation = self._offset = 0
        self._begin = 0
        self._over = threading.Event()
        self._stream: Stream | None = None
        self._since, self._came = time.monotonic(), 0
        self._fetching = threading.Lock()

    def close(self) -> None:
        self._over.set()
        if self._stream is not None:
            self._stream.close()
        self.spool.close()

    def run(self) -> None:
        while not self._over.is_set():
            try:
                if self._generation == 0:
                    self._newest(PAGE)
                    self.problem = None
                    self._begin = self._start
                    self._first(self)
                self._stream = self._connect().follow(self.log_id, self._offset, self._generation)
                if self._read(self._stream):
                    return
            except StudioError as error:
                self.problem = safe_error(error)
                if error.status == 404:
                    return
            self._over.wait(RETRY_S)

    def _newest(self, limit: int) -> None:
        page = self._connect().log(self.log_id, limit=limit)
        data = _bytes(page.lines)
        self._generation, self._offset, self._start = page.generation, page.end, page.end - len(data)
        self.spool.append(page.end, data)

    def _read(self, stream: Stream) -> bool:
        """True when the log is over: its engine is gone and all is told."""
        for event in stream:
            if self._over.is_set():
                break
            if event.event == "log" and event.place:
                data = _bytes([str(event.data.get("line", ""))])
                self.spool.append(event.place[1], data)
                if self._flooded(len(data)):
                    self._skip()
                    break
            elif event.event == "skipped":
                self.lost += int(event.data.get("bytes", 0))
            elif event.event == "end":
                return True
            self._generation, self._offset = event.place or (self._generation, self._offset)
        stream.close()
        return False

    def _flooded(self, count: int) -> bool:
        now = time.monotonic()
        if now - self._since > 1:
            self._since, self._came = now, 0
        self._came += count
        return self._came > FLOOD

    def _skip(self) -> None:
        before = self._offset
        self._newest(FLOOD_LINES)
        self.lost += max(0, self._start - before)
        self._over.wait(RETRY_S)

    def older(self, everything: bool = False) -> bool:
        """Fetch a page before what is here, or all there is; False when there is nothing older. Takes its time."""
        with self._fetching:
            while self._begin > 0 and not self._over.is_set():
                page = self._connect().log(self.log_id, limit=PAGE_MOST, end=self._begin)
                data = _bytes(page.lines)
                if not data or page.start >= self._begin:
                    self._begin = 0
                    return False
                self.spool.prepend(page.start, self._begin, data)
                self._begin = page.start
                if not everything:
                    return True
        return False


def _bytes(lines: list[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "replace")
