"""What a terminal would show, read back as text: enough of one for what the app writes, and fast enough beside it.

The app writes only cells that differ, so that a text on the screen is seldom one text in its output.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable

from studio_core.bench.terminal import Terminal

# Strings of other kinds, control sequences, line breaks, and text.
_TOKEN = re.compile(
    r"\x1b[\]P_^X].*?(?:\x07|\x1b\\)|\x1b\[([0-9;:<=>?]*)[ -/]*([@-~])|\x1b[^\[\]P_^X]|\r|\n|([^\x1b\r\n]+)", re.DOTALL
)
_BEGUN = re.compile(rb"\x1b[^\x1b]{0,40}\Z|[\xc0-\xff][\x80-\xbf]{0,2}\Z")
POLL_S = 0.002


class Glass:
    """The cells of a terminal's program. Wide characters take one cell here: what is asked for must stand before them."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._cells = [[" "] * terminal.columns for _ in range(terminal.rows)]
        self._row = self._column = self._fed = 0

    @property
    def text(self) -> str:
        self._feed()
        return "\n".join("".join(row) for row in self._cells)

    def until(self, text: str, timeout: float = 20.0) -> float:
        """Seconds until it stands there. Raises TimeoutError with the screen that there was instead."""
        began = time.monotonic()
        while text not in self.text:
            if time.monotonic() - began > timeout:
                raise TimeoutError(f"{text!r} is not on the screen:\n{self.text}")
            time.sleep(POLL_S)
        return time.monotonic() - began

    def change(self, keys: str, seen: Callable[[str], object], timeout: float = 20.0) -> float:
        """Milliseconds from a key until what is seen in the text is something else. Raises TimeoutError."""
        before, began = seen(self.text), time.monotonic()
        self._terminal.send(keys)
        while (now := seen(self.text)) == before or now is None:
            if time.monotonic() - began > timeout:
                raise TimeoutError(f"{keys!r} changed nothing:\n{self.text}")
            time.sleep(POLL_S)
        return (time.monotonic() - began) * 1000

    def latency(self, keys: str, text: str, timeout: float = 20.0) -> float:
        """Milliseconds from a key until the text that it leads to stands there."""
        began = time.monotonic()
        self._terminal.send(keys)
        self.until(text, timeout)
        return (time.monotonic() - began) * 1000

    def _feed(self) -> None:
        data = bytes(self._terminal.output[self._fed:])
        begun = _BEGUN.search(data)
        whole = data[:begun.start()] if begun else data
        self._fed += len(whole)
        for found in _TOKEN.finditer(whole.decode("utf-8", "replace")):
            if found[3]:
                self._put(found[3])
            elif found[2]:
                self._move(found[1], found[2])
            elif found[0] == "\r":
                self._column = 0
            elif found[0] == "\n":
                self._row += 1

    def _put(self, text: str) -> None:
        if self._row < len(self._cells):
            row = self._cells[self._row]
            room = max(0, len(row) - self._column)
            row[self._column:self._column + len(text)] = text[:room]
        self._column += len(text)

    def _move(self, parameters: str, final: str) -> None:
        numbers = [int(part) if part.isdigit() else 0 for part in parameters.split(";")]
        if final in "Hf":
            self._row, self._column = max(0, numbers[0] - 1), max(0, (numbers[1] if len(numbers) > 1 else 1) - 1)
        elif final == "C":
            self._column += max(1, numbers[0])
        elif final == "D":
            self._column = max(0, self._column - max(1, numbers[0]))
        elif final == "B":
            self._row += max(1, numbers[0])
        elif final == "A":
            self._row = max(0, self._row - max(1, numbers[0]))
        elif final == "G":
            self._column = max(0, numbers[0] - 1)
        elif final == "d":
            self._row = max(0, numbers[0] - 1)
        elif final == "J":
            self._cells = [[" "] * len(row) for row in self._cells]
        elif final == "K" and self._row < len(self._cells):
            self._cells[self._row][self._column:] = " " * (len(self._cells[self._row]) - self._column)
