"""The Studios that this app may drive: this machine's, and those of `servers:` in studio.yaml."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Static

from studio_core.server import Server
from studio_core.text import line
from studio_tui import status
from studio_tui.keymap import bindings
from studio_tui.screens.place import STYLES
from studio_tui.wanted import Drive
from studio_tui.widgets.table import Cell, Column, Row, Table

COLUMNS = (Column("SERVER", 14, flex=1), Column("ADDRESS", 20, flex=2), Column("", 6))
HERE = "this machine"
HINT = "name others in studio.yaml: servers: [{name: lab, url: https://gpu1:8080, key_file: ~/lab.key}]"


class Servers(ModalScreen[None]):
    """`current` is the address that is driven now; empty for this machine."""

    CSS_PATH = STYLES / "servers.tcss"
    BINDINGS = bindings("servers")

    def __init__(self, servers: Sequence[Server], current: str) -> None:
        super().__init__()
        self._servers, self._current = servers, current
        self._table = Table(COLUMNS, ident="choices")

    def compose(self) -> ComposeResult:
        with Vertical(id="servers") as page:
            page.border_title = "Servers"
            page.border_subtitle = "Enter drives it, esc leaves"
            yield self._table
            yield Static(HINT, markup=False, id="hint")

    def on_mount(self) -> None:
        rows = [row(HERE, "", self._current), *(row(one.name, one.url, self._current) for one in self._servers)]
        if self._current not in {"", *(one.url for one in self._servers)}:
            rows.append(row("as asked for", self._current, self._current))
        self._table.fill(rows)
        self._table.select(self._current)
        self._table.focus()

    def on_table_chosen(self, event: Table.Chosen) -> None:
        event.stop()
        self.action_choose()

    def action_choose(self) -> None:
        chosen = self._table.key
        self.dismiss()
        if chosen is not None and chosen != self._current:
            self.app.post_message(Drive(next((one for one in self._servers if one.url == chosen), None)))

    def action_close(self) -> None:
        self.dismiss()


def row(name: str, url: str, current: str) -> Row:
    now = "driven" if url == current else ""
    return Row(url, (Cell(line(name)), Cell(line(url) or "control.sock", status.QUIET), Cell(now, status.GOOD)))
