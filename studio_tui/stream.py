"""Streams that the screen takes from at its own pace: a thread fills, the app's tick empties."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

from studio_core import wire
from studio_core.client import Client, Stream
from studio_core.errors import StudioError
from studio_core.logs.spool import Spool
from studio_core.text import Sanitiser
from studio_core.wire.parse import convert
from studio_tui.boundary import safe, safe_error

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


class Answer:
    """A model's answer. What it wrote is taken in pieces; the rest stands in the attributes when `over` is true."""

    def __init__(self, connect: Callable[[], Client], chat_id: str | None, text: str, model: str) -> None:
        self.chat_id = chat_id
        self.text = text
        self.model = model
        self.usage: dict[str, int] = {}
        self.stored: wire.ChatMessage | None = None
        self.problem: StudioError | None = None
        self.over = False
        self._connect = connect
        self._pieces: deque[str] = deque()
        self._thoughts: deque[str] = deque()
        self._clean, self._clean_thought = Sanitiser(), Sanitiser()
        self._closed = False
        self._stream: Stream | None = None

    def close(self) -> None:
        """Read no further. Studio goes on and stores the whole answer."""
        self._closed = True
        if self._stream is not None:
            self._stream.close()

    def take(self) -> str:
        """What was written since the last call."""
        return "".join(self._pieces.popleft() for _ in range(len(self._pieces)))

    def take_thought(self) -> str:
        """What the model said to itself since the last call."""
        return "".join(self._thoughts.popleft() for _ in range(len(self._thoughts)))

    def run(self) -> None:
        try:
            client = self._connect()
            if self.chat_id is None:
                self.chat_id = client.new_chat(self.model).id
            self._stream = client.turn(self.chat_id, self.text, self.model)
            for event in self._stream:
                self._hear(event)
            if self.stored is None and self.problem is None and not self._closed:
                self.problem = StudioError("the answer broke off", "Studio went away", "open the chat again to see what was kept")
        except StudioError as error:
            self.problem = safe_error(error)
        finally:
            self.over = True

    def _hear(self, event: wire.Event) -> None:
        data = event.data if isinstance(event.data, dict) else {}
        if event.event == "delta":
            self._pieces.append(self._clean.feed(str(data.get("content", ""))))
        elif event.event == "thought":
            self._thoughts.append(self._clean_thought.feed(str(data.get("content", ""))))
        elif event.event == "usage":
            self.usage = {name: value for name, value in data.items() if isinstance(value, int)}
        elif event.event == "done":
            self.stored = safe(convert(data, wire.ChatMessage))
        elif event.event == "error":
            title, detail, hint = (str(data.get(name, "")) for name in ("title", "detail", "hint"))
            self.problem = safe_error(StudioError(title, detail.removeprefix(title).removeprefix(": "), hint))
