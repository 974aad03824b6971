"""The chunks of a stream that are like the one before but for their text: told at a glance, and sent on in the same breath.

Between system calls a bytecode takes nearly twice as long as in a loop of its own: there are as few as could be found.
"""

from __future__ import annotations

from collections.abc import Callable

from studio_core.gateway.frame import CRLF, LINES
from studio_core.gateway.observation import Observation

# Where the text of a chat's stream begins, as most engines write it.
TEXT = b'content":"'
LF, QUOTE = b'\n"'
# So many lengths are remembered: those of tokens.
LENGTHS = 16
NO_TEXT = b"", -1, 0


class Frames(dict[int, tuple[bytes, int, int]]):
    """By the length of a chunk: its size line with what stands before the text, how long the text is, and the event."""

    __slots__ = ("_around", "_before")

    def __init__(self, before: bytes, after: bytes) -> None:
        self._before = before
        self._around = len(before) + len(after)

    def __missing__(self, length: int) -> tuple[bytes, int, int]:
        line = LINES.get(length - len(CRLF))
        if line is None:
            return NO_TEXT
        if len(self) == LENGTHS:
            self.clear()
        text = length - len(line) - self._around
        found = self[length] = line + self._before, text, length - len(line) - len(CRLF)
        return found


class Usual:
    """An event that told nothing, before and after its text, and where more like it go: mostly all are, to the last but two.

    `seen` counts them. `write` sends them to the client.
    """

    __slots__ = ("_after", "_frames", "_seen", "_write")

    def __init__(self, before: bytes, after: bytes, seen: Observation, write: Callable[[bytes], object]) -> None:
        self._after = after
        self._frames = Frames(before, after)
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
        """Whether these are whole chunks, each with an event like it; then they are counted, and on their way.

        In a text without a quote and a line's end nothing else can stand.
        """
        before, length, size = self._frames[len(data)]
        text = data.removeprefix(before).removesuffix(self._after)
        if len(text) != length or QUOTE in text or LF in text:
            return self._pass_several(data)
        self._write(data)
        seen = self._seen
        seen.chunks += 1
        seen.size += size
        return True

    def _pass_several(self, data: bytes) -> bool:
        """The same of several: an engine writes one at a time, but whoever is late reads more."""
        after, total = self._after, 0
        if not data.endswith(after):
            return False
        *chunks, _ = data.split(after)
        for chunk in chunks:
            before, length, size = self._frames[len(chunk) + len(after)]
            text = chunk.removeprefix(before)
            if len(text) != length or QUOTE in text or LF in text:
                return False
            total += size
        self._write(data)
        self._seen.chunks += len(chunks)
        self._seen.size += total
        return True
