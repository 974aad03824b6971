"""The parts of a place in one line, the one that is shown reversed."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content
from textual.widget import Widget


class PartBar(Widget):
    def __init__(self, titles: Sequence[str]) -> None:
        super().__init__()
        self._titles = tuple(titles)
        self._shown = titles[0]

    def turn(self, title: str) -> None:
        if title != self._shown:
            self._shown = title
            self.refresh()

    def render(self) -> Content:
        parts: list[tuple[str, str]] = []
        for title in self._titles:
            parts.append((f" {title} ", "bold reverse") if title == self._shown else (f" {title} ", "$quiet"))
        return Content.assemble(" ", *parts, ("  [ ] turn" if self.size.width >= 56 else "", "$quiet"))
