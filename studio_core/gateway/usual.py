"""The chunks of a stream that are like the one before but for their text: told at a glance, and sent on in the same breath."""

from __future__ import annotations

import time
from collections.abc import Callable

from studio_core.gateway.frame import CRLF, LINES
from studio_core.gateway.observation import Observation

# Where the text of a chat's stream begins, as most engines write it.
TEXT = b'content":"'
LF, QUOTE = b'\n"'


class Usual:
    """An event that told nothing, before and after its text, and where more like it go: mostly all are, to the last but two.

    `seen` counts them. `write` sends them to the client.
    """

    __slots__ = ("_after", "_before", "_seen", "_twice", "_write")

    def __init__(self, before: bytes, after: bytes, seen: Observation, write: Callable[[bytes], object]) -> None:
        self._before = before
        self._after = after
        # What is shorter is no two.
        self._twice = 2 * (len(before) + len(after))
        self._seen = seen
        self._write = write

    @classmethod
    def learn(cls, event: bytes, seen: Observation, write: Callable[[bytes], object]) -> Usual | None:
        """From events that told nothing; None where it is not one of one line, or has no text."""
        begin = event.find(TEXT) + len(TEXT)
        end = event.find(b'"', begin)
        if begin < len(TEXT) or end < 0 or event.find(b"\n") != len(event) - 2:
            return None
        return cls(event[:begin], event[end:] + CRLF, seen, write)

    def passes(self, data: bytes) -> bool:
        """Whether these are whole chunks, each with an event like it; then they are counted, and on their way."""
        size, events = (self._inside(data), 1) if len(data) < self._twice else self._several(data)
        if not size:
            return False
        self._write(data)
        seen = self._seen
        seen.chunks += events
        seen.size += size
        seen.heard_at = time.monotonic()
        return True

    def _several(self, data: bytes) -> tuple[int, int]:
        """Bytes in these chunks, and how many they are: an engine writes one at a time, but whoever is late reads more."""
        size, after = 0, self._after
        *chunks, rest = data.split(after)
        for chunk in chunks:
            inside = self._inside(chunk + after)
            if not inside:
                return 0, 0
            size += inside
        return (0, 0) if rest else (size, len(chunks))

    def _inside(self, chunk: bytes) -> int:
        """Bytes in this chunk, 0 where it is not like it. In a text without a quote and a line's end nothing else can stand."""
        size = len(chunk) - 2
        line = LINES.get(size)
        if line is None:
            return 0
        start, after = line + self._before, self._after
        text = chunk.removeprefix(start).removesuffix(after)
        if len(text) + len(start) + len(after) != len(chunk) or QUOTE in text or LF in text:
            return 0
        return size - len(line)
