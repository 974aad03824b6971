"""The one sanitiser before a terminal: what a model, a log or a name wrote is shown, never obeyed.

Removes escape sequences (CSI, OSC, DCS, APC, PM, SOS, in 7 and 8 bit form, also split over chunks and unterminated), and
makes other control, bidirectional and invisible characters visible. ECMA-48 names the sequences.
"""

from __future__ import annotations

import re
import unicodedata

TEXT, ESCAPE, CONTROL, STRING, STRING_ESCAPE = range(5)
# Kept as they are: tab and line feed. A carriage return ends a progress line: the line begins anew.
PLAIN = re.compile(r"[^\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
                   r"\U000e0000-\U000e007f\ud800-\udfff]+")
STRING_LIMIT = 64 * 1024


class Sanitiser:
    """Feed it text in order; what comes out is safe to print. State is kept over chunks."""

    def __init__(self) -> None:
        self._state = TEXT
        self._length = 0

    def feed(self, text: str) -> str:
        if self._state == TEXT and PLAIN.fullmatch(text):
            return text
        return "".join(self._take(character) for character in text)

    def _take(self, character: str) -> str:
        code = ord(character)
        if self._state == TEXT:
            return self._text(character, code)
        if character == "\n" and self._state != STRING:
            # No sequence goes over a line: a broken one must not swallow what follows.
            self._state = TEXT
            return character
        if self._state == ESCAPE:
            self._state = {"[": CONTROL, "]": STRING, "P": STRING, "X": STRING, "^": STRING, "_": STRING}.get(character, TEXT)
            self._length = 0
            if self._state == TEXT and 0x20 <= code <= 0x2F:
                self._state = ESCAPE
        elif self._state == CONTROL:
            self._state = CONTROL if 0x20 <= code <= 0x3F else TEXT
        elif self._state == STRING:
            self._string(code)
        else:
            self._state = TEXT if character == "\\" else STRING
        return ""

    def _string(self, code: int) -> None:
        self._length += 1
        if code == 0x1B:
            self._state = STRING_ESCAPE
        elif code in (0x07, 0x9C, 0x0A) or self._length > STRING_LIMIT:
            self._state = TEXT

    def _text(self, character: str, code: int) -> str:
        if PLAIN.fullmatch(character) or character == "\r":
            return character if character != "\r" else ""
        if code == 0x1B:
            self._state = ESCAPE
        elif code == 0x9B:
            self._state = CONTROL
        elif code in (0x90, 0x98, 0x9D, 0x9E, 0x9F):
            self._state, self._length = STRING, 0
        else:
            return visible(code)
        return ""


def visible(code: int) -> str:
    """A character that would act or hide, as something to read."""
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "\u2421"
    if 0xD800 <= code <= 0xDFFF:
        return "\ufffd"
    return "" if unicodedata.category(chr(code)) == "Cc" else f"<U+{code:04X}>"


def clean(text: str) -> str:
    """One whole text made safe."""
    return Sanitiser().feed(text)
