"""How fast each model was at its best, as its requests showed. Benchmarks of their own are not there yet, and that is said."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.widgets import Static

from studio_tui import message, unit
from studio_tui.keymap import bindings
from studio_tui.screens.place import CALM_S, STYLES, Place
from studio_tui.widgets.panel import Panel
from studio_tui.widgets.table import Cell, Column, Row, Table

COLUMNS = (
    Column("MODEL", 18, flex=1),
    Column("TOK/S", 8, right=True),
    Column("PREFILL/S", 10, right=True, needs=50),
    Column("FIRST TOKEN", 12, right=True),
    Column("REQUESTS", 9, right=True, needs=66),
    Column("TOKENS", 12, right=True, needs=80),
)
NOTE = "Best of what requests through Studio showed. This version runs no benchmarks of its own yet."


class Bench(Place):
    CSS_PATH = STYLES / "models.tcss"
    BINDINGS = bindings("bench")
    REST_S = CALM_S

    def content(self) -> ComposeResult:
        self._table = Table(COLUMNS, "no request has been answered yet: talk to a model (4), then look again", ident="best")
        yield Panel("Best figures", self._table, Static(NOTE, markup=False, classes="empty"), ident="list")

    def on_mount(self) -> None:
        self.set_focus(self._table)

    def read(self) -> None:
        self.bridge.peaks(self)

    def action_refresh(self) -> None:
        self.bridge.peaks(self)
        self.post_message(message.Said("figures: read anew"))

    def on_peaks_came(self, news: message.PeaksCame) -> None:
        news.stop()
        self._table.fill([row(one) for one in news.peaks])


def row(one: dict[str, object]) -> Row:
    name = str(one.get("model_id"))
    figures = (("generation_tps", ""), ("prefill_tps", ""), ("ttft_ms", " ms"), ("total_requests", ""), ("total_tokens", ""))
    return Row(name, (Cell(name), *(Cell(_figure(one.get(field), unit_name)) for field, unit_name in figures)))


def _figure(value: object, name: str) -> str:
    return f"{unit.count(value)}{name}" if isinstance(value, int | float) else unit.NOTHING
