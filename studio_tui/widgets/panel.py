"""A frame with a title above and a note below. Both are plain text: names of models stand there."""

from __future__ import annotations

from textual.containers import Vertical
from textual.content import Content
from textual.geometry import Region
from textual.widget import Widget

from studio_core.text import line


class Panel(Vertical):
    ALLOW_MAXIMIZE = True

    def __init__(self, title: str, *children: Widget, ident: str | None = None) -> None:
        super().__init__(*children, id=ident, classes="panel")
        self._title, self._note = title, ""
        self.border_title = Content(line(title))

    def title(self, text: str) -> None:
        if text != self._title:
            self._title = text
            self._border_title = Content(line(text))
            self._edge(0)

    def note(self, text: str) -> None:
        if text != self._note:
            self._note = text
            self._border_subtitle = Content(line(text))
            self._edge(self.outer_size.height - 1)

    def _edge(self, y: int) -> None:
        """Setting `border_title` would paint all that is inside of the frame."""
        x, top = self.content_offset
        self.refresh(Region(-x, y - top, self.outer_size.width, 1))
