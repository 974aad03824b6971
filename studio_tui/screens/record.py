"""The command log: what the app asked of Studio and the commands of engines that were started, to read and to copy."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Static

from studio_core.text import line
from studio_tui import status
from studio_tui.keymap import bindings
from studio_tui.record import Entry, Record, Started
from studio_tui.screens.place import STYLES
from studio_tui.wanted import Copy
from studio_tui.widgets.table import Cell, Column, Row, Table

COLUMNS = (
    Column("TIME", 8), Column("", 7), Column("REQUEST", 20, flex=1), Column("ANSWER", 9), Column("TOOK", 8, right=True, needs=64),
    Column("TIMES", 5, right=True, needs=80),
)
EMPTY = "nothing was asked yet"


class CommandLog(ModalScreen[None]):
    """`spell` writes an entry as a line for a shell."""

    CSS_PATH = STYLES / "record.tcss"
    BINDINGS = bindings("record")

    def __init__(self, record: Record, spell: Callable[[Entry], str]) -> None:
        super().__init__()
        self._record, self._spell = record, spell
        self._found: dict[str, Entry] = {}
        self._table = Table(COLUMNS, EMPTY, ident="entries")
        self._whole = Static("", markup=False, id="whole")

    def compose(self) -> ComposeResult:
        with Vertical(id="record") as page:
            page.border_title = "Command log"
            page.border_subtitle = "y copies it for a shell, esc closes"
            yield self._table
            yield self._whole

    def on_mount(self) -> None:
        self.set_focus(self._table)
        self.look()
        self._table.action_last()

    def look(self) -> None:
        """What is new. Who stands on the newest goes on to what comes."""
        follows = self._table.key in (None, next(reversed(self._found), None))
        self._found = {one.key: one for one in self._record.entries()}
        self._table.fill([row(one) for one in self._found.values()])
        if follows:
            self._table.action_last()
        self._tell()

    def on_table_moved(self, event: Table.Moved) -> None:
        event.stop()
        self._tell()

    @property
    def _chosen(self) -> Entry | None:
        return self._found.get(self._table.key or "")

    def _tell(self) -> None:
        one = self._chosen
        text = line(self._spell(one)) if one else ""
        if text != self._whole.content:
            self._whole.update(text)

    def on_table_chosen(self, event: Table.Chosen) -> None:
        event.stop()
        self.action_copy()

    def action_copy(self) -> None:
        one = self._chosen
        if one is not None:
            self.post_message(Copy(self._spell(one), "the command" if isinstance(one.what, Started) else "the request for curl"))

    def action_close(self) -> None:
        self.dismiss()


def row(one: Entry) -> Row:
    what = one.what
    clock = Cell(time.strftime("%H:%M:%S", time.localtime(what.at)), status.QUIET)
    if isinstance(what, Started):
        text = shlex.join(what.argv) or what.instance_id
        return Row(one.key, (clock, Cell("started", status.ACCENT), Cell(line(text)), Cell(""), Cell(""), Cell("")))
    answer, tone = ("under way", status.BUSY) if what.took_s is None else ("none", status.BAD)
    if what.status is not None:
        answer, tone = str(what.status), status.BAD if what.status >= 400 else status.GOOD
    took = "" if what.took_s is None else f"{what.took_s * 1000:.0f} ms" if what.took_s < 10 else f"{what.took_s:.0f} s"
    return Row(one.key, (
        clock, Cell(what.method, status.ACCENT if what.method != "GET" else ""), Cell(line(what.path)), Cell(answer, tone),
        Cell(took), Cell(str(one.count) if one.count > 1 else "", status.QUIET),
    ))
