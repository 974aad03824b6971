"""A text that may be longer than the screen, read with the keys of a log."""

from __future__ import annotations

from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from studio_tui.keymap import bindings


class Page(VerticalScroll, can_focus=True):
    BINDINGS = bindings("view")

    def __init__(self, text: Content, ident: str | None = None) -> None:
        super().__init__(Static(text, markup=False), id=ident)

    def fill(self, text: Content) -> None:
        self.query_one(Static).update(text)

    def action_up(self) -> None:
        self.scroll_up(animate=False)

    def action_down(self) -> None:
        self.scroll_down(animate=False)

    def action_left(self) -> None:
        self.scroll_left(animate=False)

    def action_right(self) -> None:
        self.scroll_right(animate=False)

    def action_first(self) -> None:
        self.scroll_home(animate=False)

    def action_last(self) -> None:
        self.scroll_end(animate=False)

    def action_page_up(self) -> None:
        self.scroll_page_up(animate=False)

    def action_page_down(self) -> None:
        self.scroll_page_down(animate=False)
