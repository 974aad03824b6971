"""A model's answer, which the screen takes from at its own pace; and what there is to say while nothing of it comes."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from studio_core import wire
from studio_core.client import Client, Stream
from studio_core.errors import NotFound, StudioError
from studio_core.text import Sanitiser
from studio_core.wire.parse import convert
from studio_tui import unit
from studio_tui.boundary import safe, safe_error

# Seconds without a token after which that is said, after which it is said how to stop, and how old a sign of life may be.
QUIET_S, HINT_S, ALIVE_S = 5.0, 10.0, 40.0
# A stop that has not come through by then may be left alone; a turn that is only beginning is asked again so often.
LEAVE_S, AGAIN_S = 2.0, 0.2


class Answer:
    """What the model wrote is taken in pieces; the rest stands in the attributes when `over` is true.

    `accepted`: the question is stored. `stopping` and the other times are of the monotonic clock, 0.0 where it has not been.
    """

    def __init__(
        self, connect: Callable[[], Client], chat_id: str | None, text: str, model: str, ping_s: float = 0.0
    ) -> None:
        self.chat_id = chat_id
        self.text = text
        self.model = model
        self.usage: dict[str, int] = {}
        self.stored: wire.ChatMessage | None = None
        self.problem: StudioError | None = None
        self.accepted = False
        self.over = False
        self.began = self.token_at = time.monotonic()
        self.alive_at = self.stopping = 0.0
        self._connect = connect
        self._ping_s = ping_s
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

    # Its life, in a thread of its own.

    def run(self) -> None:
        try:
            client = self._connect()
            if self.chat_id is None:
                self.chat_id = client.new_chat(self.model).id
            # Whoever stopped it before it was asked keeps what he wrote.
            if not self.stopping:
                self._read(client.turn(self.chat_id, self.text, self.model, self._ping_s))
        except StudioError as error:
            self.problem = safe_error(error)
        finally:
            self.over = True

    def _read(self, stream: Stream) -> None:
        self._stream = stream
        for event in stream:
            self._hear(event)
        if self.stored is None and self.problem is None and not self._closed:
            gone = "nothing was heard of it any more" if stream.silent else "Studio went away"
            self.problem = StudioError("the answer broke off", gone, "open the chat again to see what was kept")

    def _hear(self, event: wire.Event) -> None:
        data = event.data if isinstance(event.data, dict) else {}
        self.accepted = True
        if event.event in ("delta", "thought"):
            self.token_at = time.monotonic()
        if event.event == "delta":
            self._pieces.append(self._clean.feed(str(data.get("content", ""))))
        elif event.event == "thought":
            self._thoughts.append(self._clean_thought.feed(str(data.get("content", ""))))
        elif event.event == "alive":
            self.alive_at = time.monotonic()
        elif event.event == "usage":
            self.usage = {name: value for name, value in data.items() if isinstance(value, int)}
        elif event.event == "done":
            self.stored = safe(convert(data, wire.ChatMessage))
        elif event.event == "error":
            title, detail, hint = (str(data.get(name, "")) for name in ("title", "detail", "hint"))
            self.problem = safe_error(StudioError(title, detail.removeprefix(title).removeprefix(": "), hint))

    # Its end, when a person wants it.

    def stop(self, client: Client) -> None:
        """Until it is over; one that only begins has nothing yet to be stopped. Raises StudioError when Studio does not answer."""
        while not (self.over or self._closed):
            if self.chat_id is not None:
                try:
                    client.stop_turn(self.chat_id)
                    return
                except NotFound:
                    pass
            time.sleep(AGAIN_S)

    def leave(self) -> None:
        """Without a word from Studio: what is here is kept here."""
        self.close()
        self.problem = StudioError("left before its end", "Studio did not say that it was stopped",
                                   "open the chat again to see what was kept")

    @property
    def stuck(self) -> bool:
        """A stop was wished, and nothing came of it."""
        return bool(self.stopping) and time.monotonic() - self.stopping > LEAVE_S

    # What is said of it meanwhile.

    def told(self, doing: str, silence_s: float) -> str:
        """What it does, for how long, and what is wrong when nothing comes. `silence_s`: a Studio is not silent for longer."""
        now = time.monotonic()
        parts = [f"{'stopping' if self.stopping else doing} \u00b7 {unit.age(now - self.began)}", self._lull(now, silence_s)]
        if self.stuck:
            parts.append("esc leaves it")
        elif not self.stopping and now - self.token_at > HINT_S:
            parts.append("esc stops")
        return " \u00b7 ".join(filter(None, parts))

    def _lull(self, now: float, silence_s: float) -> str:
        """Why nothing comes, as far as one can see: Studio is away, the engine may be, or the model takes its time."""
        heard = self._stream.heard if self._stream is not None else self.began
        if now - heard > silence_s:
            return f"Studio is silent for {unit.age(now - heard)}"
        quiet = now - self.token_at
        if quiet > ALIVE_S and now - self.alive_at > ALIVE_S:
            return f"no sign of life for {unit.age(now - max(self.alive_at, self.token_at))}"
        said = f"nothing for {unit.age(quiet)}" if quiet > QUIET_S and self.token_at > self.began else ""
        held = "connected" if quiet > QUIET_S and now - self.alive_at < ALIVE_S else ""
        return ", ".join(filter(None, (said, held)))
