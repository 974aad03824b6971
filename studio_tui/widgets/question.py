"""The line in which the logs ask for words: what to search, what to filter by, which file."""

from __future__ import annotations

from textual.widgets import Input

from studio_core.logs.needle import Want
from studio_core.text import line
from studio_tui.widgets.log_view import Looks

ASKS = {
    "find": "find", "filter": "only lines with this", "save": "write to this new file", "file": "open this file",
}
SEARCHES = ("find", "filter")


class Question(Input):
    """Hidden until it asks. `kind` is a key of ASKS; `looks` say whether a text or a pattern is meant."""

    def __init__(self, looks: Looks) -> None:
        super().__init__(id="words", compact=True)
        self.cursor_blink = False
        self.kind = ""
        self._looks = looks
        self.display = False

    def ask(self, kind: str, text: str) -> None:
        self.kind = kind
        self.value = text
        self.cursor_position = len(text)
        self.display = True
        self.hint()

    def want(self, text: str) -> Want:
        return Want(text, self._looks.regex, self._looks.exact)

    @property
    def problem(self) -> str:
        """Why what is written so far cannot be searched for; empty where it can."""
        return self.want(self.value).problem() if self.kind in SEARCHES else ""

    def way(self) -> str:
        return f"{'a pattern' if self._looks.regex else 'a text'}, {'as written' if self._looks.exact else 'in any case'}"

    def hint(self) -> None:
        """What is asked, in which way, and what is wrong with it so far."""
        problem = self.problem
        self.set_class(bool(problem), "-wrong")
        self.border_title = line(f"{ASKS[self.kind]}: {self.way()}" if self.kind in SEARCHES else ASKS[self.kind])
        self.border_subtitle = line(f"not a pattern yet: {problem}" if problem else "")
