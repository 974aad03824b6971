"""What can be done with one thing, to choose from."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen

from studio_tui import status
from studio_tui.keymap import bindings
from studio_tui.screens.place import STYLES
from studio_tui.widgets.table import Cell, Column, Row, Table

COLUMNS = (Column("", 16), Column("", 20, flex=1))


class Menu(ModalScreen[str | None]):
    """`choices` are (key, label, what it does); gives the key."""

    CSS_PATH = STYLES / "dialog.tcss"
    BINDINGS = bindings("menu")
    AUTO_FOCUS = "#choices"

    def __init__(self, title: str, choices: Sequence[tuple[str, str, str]]) -> None:
        super().__init__()
        self._title, self._choices = title, choices

    def compose(self) -> ComposeResult:
        self._table = Table(COLUMNS, header=False, ident="choices")
        with Vertical(id="menu") as frame:
            frame.border_title = Content(self._title)
            frame.border_subtitle = "Enter: do it \u00b7 esc: leave"
            yield self._table

    def on_mount(self) -> None:
        self._table.fill([Row(key, (Cell(label), Cell(doc, status.QUIET))) for key, label, doc in self._choices])

    def on_table_chosen(self, event: Table.Chosen) -> None:
        event.stop()
        self.action_choose()

    def action_choose(self) -> None:
        self.dismiss(self._table.key)

    def action_close(self) -> None:
        self.dismiss(None)
