"""The logs of engines and daemons: a list, and one of them open."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Container
from textual.widgets import Input

from studio_core import wire
from studio_core.text import line
from studio_tui import status, unit
from studio_tui.keymap import bindings
from studio_tui.message import LogCame, LogsCame
from studio_tui.screens.place import STYLES, Place
from studio_tui.stream import Tail
from studio_tui.widgets.log_view import LogView
from studio_tui.widgets.panel import Panel
from studio_tui.widgets.table import Cell, Column, Row, Table

COLUMNS = (Column("LOG", 12, flex=1), Column("SIZE", 8, right=True), Column("", 1))
# Lines that a log begins with on the screen.
LIMIT = 5_000


class Logs(Place):
    CSS_PATH = STYLES / "logs.tcss"
    BINDINGS = bindings("logs")

    def content(self) -> ComposeResult:
        self._table = Table(COLUMNS, "no log yet", ident="logs")
        self._log = LogView("log")
        self._input = Input(id="words", compact=True)
        self._input.cursor_blink = False
        self._files: tuple[wire.LogFile, ...] = ()
        self._open_id = ""
        self._tail: Tail | None = None
        self._filter = self._search = self._asks = ""
        self._lost = 0
        self._opened = Panel("", self._log, self._input, ident="opened")
        with Container(id="split"):
            yield Panel("Logs", self._table, ident="list")
            yield self._opened

    def on_mount(self) -> None:
        self._input.display = False
        self._log.load((), "press Enter on a log to open it")
        self.set_focus(self._table)

    def on_screen_resume(self) -> None:
        self.bridge.logs(self)

    def on_unmount(self) -> None:
        self._close()

    async def tick(self) -> None:
        if self._tail is not None:
            lines, lost = self._tail.take()
            self._lost += lost
            self._log.append([text for text in lines if self._filter in text])

    # The list.

    def on_logs_came(self, news: LogsCame) -> None:
        self._files = news.logs
        self._table.fill([row(one) for one in news.logs])
        if not self._open_id and news.logs:
            self.open(next((one.id for one in news.logs if one.recipe_id), news.logs[0].id))

    def on_table_chosen(self, event: Table.Chosen) -> None:
        event.stop()
        self.action_open()

    def action_open(self) -> None:
        if self._table.key is not None:
            self.open(self._table.key)

    def action_next(self) -> None:
        self._table.action_down()
        self.action_open()

    def action_previous(self) -> None:
        self._table.action_up()
        self.action_open()

    # One log.

    def open(self, log_id: str) -> None:
        """Show a log from its end on."""
        if log_id != self._open_id:
            self._filter = self._search = ""
        self._close()
        self._open_id, self._lost = log_id, 0
        self._table.select(log_id)
        self._log.load((), "reading")
        self.add_class("-opened")
        self.set_focus(self._log)
        self.bridge.page(self, log_id, LIMIT, self._filter)

    def _close(self) -> None:
        if self._tail is not None:
            self._tail.close()
            self._tail = None

    def on_log_came(self, news: LogCame) -> None:
        page = news.page
        if page.id != self._open_id or news.text != self._filter:
            return
        self._log.load(page.lines, "no line holds this text" if news.text else "this log is empty")
        self._log.search(self._search)
        self._tail = self.bridge.tail(page.id, page.generation, page.end)
        self._titles()

    def on_log_view_changed(self, event: LogView.Changed) -> None:
        event.stop()
        self._titles()

    def _titles(self) -> None:
        name = next((one.name for one in self._files if one.id == self._open_id), self._open_id)
        self._opened.title(f"{name} \u00b7 {self._open_id}" if name != self._open_id else name)
        self._opened.note(" \u00b7 ".join(self._facts()))

    def _facts(self) -> list[str]:
        """What holds for the open log, for its lower border."""
        log = self._log
        here, count = log.found
        facts = ["following" if log.follow else f"paused, {log.unseen} new lines" if log.unseen else "paused"]
        if self._filter:
            facts.append(f"only lines with {line(self._filter)!r}")
        if self._search:
            facts.append(f"{line(self._search)!r}: {here} of {count}" if count else f"{line(self._search)!r}: no match")
        if log.wrapped:
            facts.append("wrapped")
        if self._lost:
            facts.append(f"{unit.count(self._lost)} lost")
        return facts

    # Search and filter.

    def action_find(self) -> None:
        self._ask("find", self._search)

    def action_filter(self) -> None:
        self._ask("filter", self._filter)

    def _ask(self, kind: str, text: str) -> None:
        self._input.placeholder = {"find": "find, in any case", "filter": "only lines with this text"}[kind]
        self._asks = kind
        self._input.value = text
        self._input.display = True
        self.set_focus(self._input)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self._input.display = False
        self.set_focus(self._log)
        if self._asks == "find":
            self._search = event.value
            self._log.search(event.value)
        elif event.value != self._filter:
            self._filter = event.value
            self.open(self._open_id)

    def action_back(self) -> None:
        """One step back: the input, the search, the filter, the log."""
        if self._input.display:
            self._input.display = False
            self.set_focus(self._log)
        elif self._search:
            self._search = ""
            self._log.search("")
        elif self._filter:
            self._filter = ""
            self.open(self._open_id)
        else:
            self.remove_class("-opened")
            self.set_focus(self._table)

    def action_next_match(self) -> None:
        self._log.next_match(1)

    def action_previous_match(self) -> None:
        self._log.next_match(-1)

    def action_follow(self) -> None:
        self._log.to_end()

    def action_wrap(self) -> None:
        self._log.action_wrap()


def row(one: wire.LogFile) -> Row:
    return Row(one.id, (
        Cell(one.name or one.id), Cell(unit.size(one.size), status.QUIET),
        Cell("\u25cf" if one.live else "\u25cb", status.GOOD if one.live else status.QUIET),
    ))
