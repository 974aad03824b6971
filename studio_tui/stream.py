"""Streams that the screen takes from at its own pace: a thread fills, the app's tick empties."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

import msgspec

from studio_core import wire
from studio_core.client import Client, Stream
from studio_core.errors import StudioError
from studio_core.text import Sanitiser, clean
from studio_tui.boundary import safe, safe_error

RETRY_S = 0.25
# Lines that wait for a screen. Beyond, the oldest go, and are counted.
WAITING = 20_000


class Tail:
    """A log from a place on, as it is written, until `close`. It goes on by itself when Studio was away."""

    def __init__(self, connect: Callable[[], Client], log_id: str, generation: int, offset: int) -> None:
        self._connect = connect
        self._log_id = log_id
        self._generation, self._offset = generation, offset
        self._lines: deque[str] = deque(maxlen=WAITING)
        self._lost = 0
        self._over = threading.Event()
        self._stream: Stream | None = None

    def close(self) -> None:
        self._over.set()
        if self._stream is not None:
            self._stream.close()

    def take(self) -> tuple[list[str], int]:
        """The lines since the last call, and how many bytes or lines were lost before them."""
        count = len(self._lines)
        lost, self._lost = self._lost, 0
        return [self._lines.popleft() for _ in range(count)], lost

    def run(self) -> None:
        while not self._over.is_set():
            try:
                self._stream = self._connect().follow(self._log_id, self._offset, self._generation)
            except StudioError as error:
                if error.status == 404:
                    return
            else:
                if self._read(self._stream):
                    return
            self._over.wait(RETRY_S)

    def _read(self, stream: Stream) -> bool:
        """True when the log is over: its engine is gone and all is told."""
        for event in stream:
            if self._over.is_set():
                break
            self._generation, self._offset = event.place or (self._generation, self._offset)
            if event.event == "log":
                self._lost += len(self._lines) == WAITING
                self._lines.append(clean(str(event.data.get("line", ""))))
            elif event.event == "skipped":
                self._lost += int(event.data.get("bytes", 0))
            elif event.event == "end":
                return True
        stream.close()
        return False


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
        self._clean = Sanitiser()
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
        elif event.event == "usage":
            self.usage = {name: value for name, value in data.items() if isinstance(value, int)}
        elif event.event == "done":
            self.stored = safe(msgspec.convert(data, wire.ChatMessage))
        elif event.event == "error":
            title, detail, hint = (str(data.get(name, "")) for name in ("title", "detail", "hint"))
            self.problem = safe_error(StudioError(title, detail.removeprefix(title).removeprefix(": "), hint))
