"""The one sanitiser before a terminal: what a model, a log or a name wrote is shown, never obeyed.

Escape sequences (CSI, OSC, DCS, APC, PM, SOS; 7 and 8 bit; split over chunks; unterminated) are removed, characters that
steer or hide text are made visible. ECMA-48 names the sequences, UAX #9 the bidirectional controls.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

# What is not plain: C0 except tab and line feed, DEL, C1, then what is invisible, reorders text, or is no character.
_HIDDEN = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb"
    "\U0001d173-\U0001d17a\U000e0000-\U000e007f"
)
_VARIATION = "\ufe00-\ufe0f\U000e0100-\U000e01ef"
_ODD = re.compile(f"[\x00-\x08\x0b-\x1f\x7f-\x9f{_HIDDEN}{_VARIATION}\ud800-\udfff]")
# Marks over and under a letter: a few belong to writing, a pile of them draws over the lines around it.
_MARKS = "\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u064b-\u065f\u0e34-\u0e3a\u0e47-\u0e4e\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff"
_PILE = re.compile(f"([{_MARKS}]{{6}})[{_MARKS}]+")
_NAMED = re.compile(f"[{_HIDDEN}]")
# What must not reach a terminal in any case: whoever paints looks once more for it.
ACTING = re.compile(f"[\x00-\x1f\x7f-\x9f{_HIDDEN}\ud800-\udfff]")
_PARAMETERS = re.compile("[ -?]*")
# BEL, ST and an escape end a string; so do CAN, SUB and a line break: a broken one must not swallow the lines that follow.
_STRING_END = re.compile("[\x07\n\r\x18\x1a\x1b\x9c]")
_STRING_STARTS = frozenset("]PX^_")


class Sanitiser:
    """Feed it text in order; what comes out is safe to print. A sequence may begin in one piece and end in another."""

    def __init__(self) -> None:
        self._state = self._plain
        self._returned = False

    def feed(self, text: str) -> str:
        """A carriage return begins a new line, so that nothing printed is overwritten; before a line feed it goes."""
        text = ("\r" if self._returned else "") + self.strip(text)
        self._returned = text.endswith("\r")
        return text.removesuffix("\r").replace("\r\n", "\n").replace("\r", "\n")

    def strip(self, text: str) -> str:
        """The same with carriage returns as they are."""
        if not text.isascii():
            text = _PILE.sub(r"\1", text)
        if self._state == self._plain and not _ODD.search(text):
            return text
        out: list[str] = []
        at = 0
        while at < len(text):
            at = self._state(text, at, out.append)
        return "".join(out)

    def _plain(self, text: str, at: int, put: Callable[[str], object]) -> int:
        found = _ODD.search(text, at)
        if found is None:
            put(text[at:])
            return len(text)
        put(text[at:found.start()])
        odd = found.group()
        if odd in self._STARTS:
            self._state = getattr(self, self._STARTS[odd])
        else:
            put(_visible(odd))
        return found.end()

    def _escape(self, text: str, at: int, put: Callable[[str], object]) -> int:
        """After ESC. Intermediate bytes go on; anything that no sequence holds is read again as text."""
        character = text[at]
        if character == "[":
            self._state = self._control
        elif character in _STRING_STARTS:
            self._state = self._string
        elif not " " <= character <= "/":
            self._state = self._plain
        return at + 1 if " " <= character <= "~" else at

    def _control(self, text: str, at: int, put: Callable[[str], object]) -> int:
        found = _PARAMETERS.match(text, at)
        at = found.end() if found else at
        if at < len(text):
            self._state = self._plain
            at += "@" <= text[at] <= "~"
        return at

    def _string(self, text: str, at: int, put: Callable[[str], object]) -> int:
        found = _STRING_END.search(text, at)
        if found is None:
            return len(text)
        self._state = self._escape if found.group() == "\x1b" else self._plain
        return found.start() if found.group() in "\n\r" else found.end()

    _STARTS: Mapping[str, str] = {
        "\x1b": "_escape", "\x9b": "_control", **dict.fromkeys("\x90\x98\x9d\x9e\x9f", "_string"),
    }


def _visible(odd: str) -> str:
    """What is put in place of a character that acts or hides. Variation selectors only choose a glyph: they go."""
    if odd == "\r":
        return odd
    if odd < "\x20":
        return chr(0x2400 + ord(odd))
    if _NAMED.match(odd):
        return f"<U+{ord(odd):04X}>"
    return {"\x7f": "\u2421"}.get(odd, "\ufffd" if "\ud800" <= odd <= "\udfff" else "")


def overwritten(text: str) -> str:
    """The text as it stands after its carriage returns: of a progress line only its last state."""
    if "\r" not in text:
        return text
    lines = (next((part for part in reversed(line.split("\r")) if part), "") for line in text.split("\n"))
    return "\n".join(lines)


def clean(text: str) -> str:
    """One whole text made safe, with tabs and line breaks."""
    return overwritten(Sanitiser().strip(text))


def line(text: str) -> str:
    """The same on one line, for names and titles."""
    return " ".join(clean(text).split())


def yaml_problem(error: Exception) -> str:
    """What PyYAML found wrong and where, from an error's marks; they count lines and columns from 0."""
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    return " ".join(f"{where}{problem or error}".split())
