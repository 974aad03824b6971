"""A frame with a title above and a note below. Both are plain text: names of models stand there."""

from __future__ import annotations

from textual.containers import Vertical
from textual.content import Content
from textual.widget import Widget

from studio_core.text import line


class Panel(Vertical):
    ALLOW_MAXIMIZE = True

    def __init__(self, title: str, *children: Widget, ident: str | None = None) -> None:
        super().__init__(*children, id=ident, classes="panel")
        self.title(title)

    def title(self, text: str) -> None:
        self.border_title = Content(line(text))

    def note(self, text: str) -> None:
        self.border_subtitle = Content(line(text))
