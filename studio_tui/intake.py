"""What comes from the terminal, before Textual reads it: a paste presses no keys, and bytes that are no UTF-8 end nothing.

Textual takes an escape inside of a paste for a key. Many terminals let none through, tmux's paste-buffer and others do.
"""

from __future__ import annotations

import re
from codecs import IncrementalDecoder, getincrementaldecoder
from collections.abc import Iterable

from textual._xterm_parser import XTermParser
from textual.message import Message

BEGIN, END = "\x1b[200~", "\x1b[201~"
# Colours and the like go whole; of what is not finished only the characters that act.
_SEQUENCE = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\n\r\x1b\x9c]*(?:\x07|\x1b\\|\x9c)"
)
_ACTING = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


def pasted(text: str) -> str:
    """A pasted text without what acts on terminals; tabs, line breaks and every letter stay."""
    return _ACTING.sub("", _SEQUENCE.sub("", text))


class Intake(XTermParser):
    """Textual's parser, to which each paste is given whole and clean."""

    def __init__(self, debug: bool = False) -> None:
        super().__init__(debug)
        # The end of what was passed on, in which a paste may begin; what of a paste has come, None outside of one.
        self._passed = ""
        self._paste: str | None = None

    def feed(self, data: str) -> Iterable[Message]:
        """An empty text is the end of the input, so what holds nothing yet is not passed on."""
        if not data or (data := self._sorted(data)):
            yield from super().feed(data)

    def _sorted(self, data: str) -> str:
        out = ""
        while data:
            if self._paste is None:
                at = (self._passed + data).find(BEGIN)
                stop = len(data) if at < 0 else at + len(BEGIN) - len(self._passed)
                out, data = out + data[:stop], data[stop:]
                self._passed = "" if at >= 0 else (self._passed + out)[-len(BEGIN) + 1:]
                self._paste = "" if at >= 0 else None
            else:
                self._paste, data = self._paste + data, ""
                body, end, rest = self._paste.partition(END)
                if end:
                    out, data, self._paste = out + pasted(body) + END, rest, None
        return out


def decoder() -> IncrementalDecoder:
    """Of what a terminal sends; what is no UTF-8 becomes a sign that says so."""
    return getincrementaldecoder("utf-8")("replace")
