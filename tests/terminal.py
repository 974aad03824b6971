"""The pty harness: a program in a real terminal, its screen as text through pyte."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import pyte

from studio_core.bench.terminal import Terminal
from tests.wait import PATIENCE_S, wait_until

# Private sequences that pyte would print or take for others: keyboard protocol, mode queries.
PRIVATE = re.compile(rb"\x1b\[[<>=][0-9;:]*[a-zA-Z]|\x1b\[\?[0-9;]*\$p|\x1b\[\?u|\x1bP[^\x1b]*\x1b\\")
BEGUN = re.compile(rb"\x1b(\[[0-9;:<>=?$ ]*|P[^\x1b]*\x1b?)?\Z")


class Window(Terminal):
    """A terminal whose screen can be read."""

    def __init__(
        self, argv: Sequence[str], env: Mapping[str, str] | None = None, columns: int = 120, rows: int = 40, cwd: str | None = None
    ) -> None:
        self._screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self._screen)
        self._fed = 0
        super().__init__(argv, env, columns, rows, cwd)

    def resize(self, columns: int, rows: int) -> None:
        super().resize(columns, rows)
        self._screen.resize(rows, columns)

    @property
    def lines(self) -> list[str]:
        """The screen as it stands, each line without blanks at its end."""
        news = bytes(self.output[self._fed :])
        begun = BEGUN.search(news)
        whole = news[: begun.start()] if begun else news
        self._fed += len(whole)
        self._stream.feed(PRIVATE.sub(b"", whole))
        return [line.rstrip() for line in self._screen.display]

    @property
    def display(self) -> list[str]:
        """The same in full width."""
        assert self.lines is not None
        return list(self._screen.display)

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def until(self, text: str, timeout: float = PATIENCE_S) -> str:
        """The screen as soon as it shows `text`; fails with the screen it showed instead."""
        try:
            return wait_until(lambda: shown if text in (shown := self.text) else "", timeout)
        except AssertionError:
            raise AssertionError(f"{text!r} is not on the screen after {timeout} s:\n{self.text}") from None

    def ended(self, timeout: float = PATIENCE_S) -> int:
        """The program's exit code (negative: the signal) once it has ended by itself."""
        wait_until(lambda: self.process.poll() is not None, timeout, "the program ends")
        return self.process.wait()
