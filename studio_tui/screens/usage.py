"""Requests and tokens, summed over everything that Studio has served."""

from __future__ import annotations

from typing import Any

from textual.app import ComposeResult

from studio_core.text import line
from studio_tui import unit
from studio_tui.message import UsageCame
from studio_tui.screens.place import STYLES, Place
from studio_tui.widgets.panel import Panel
from studio_tui.widgets.table import Cell, Column, Row, Table

TOTALS = (Column("", 18, flex=1), Column("REQUESTS", 10, right=True), Column("TOKENS IN", 12, right=True),
          Column("TOKENS OUT", 12, right=True), Column("FAILED", 8, right=True, needs=74))
MODELS = (Column("MODEL", 16, flex=1), Column("REQUESTS", 8, right=True), Column("TOKENS IN", 10, right=True),
          Column("TOKENS OUT", 10, right=True), Column("FIRST TOKEN", 11, right=True, needs=74),
          Column("TOKENS/S", 8, right=True, needs=86))
EMPTY = "no request yet \u00b7 press 4 to talk to a model, or use the API"


class Usage(Place):
    CSS_PATH = STYLES / "usage.tcss"

    def content(self) -> ComposeResult:
        self._totals = Table(TOTALS, "reading", ident="totals")
        self._models = Table(MODELS, "reading", ident="models")
        yield Panel("All requests", self._totals, ident="sums")
        yield Panel("By model", self._models, ident="each")

    def on_mount(self) -> None:
        self.set_focus(self._models)

    def on_screen_resume(self) -> None:
        self.bridge.usage(self)

    def on_usage_came(self, news: UsageCame) -> None:
        self._totals.fill(totals(news.usage))
        self._models.fill([model(one) for one in news.usage.get("by_model", ())], EMPTY)


def totals(usage: dict[str, Any]) -> list[Row]:
    """The sums, and the last day beside them."""
    whole, recent = usage.get("totals", {}), usage.get("recent_activity", {})
    numbers = ("total_requests", "prompt_tokens", "completion_tokens", "failed_requests")
    return [
        Row("all", (Cell("since the beginning"), *(Cell(unit.count(whole.get(name, 0))) for name in numbers))),
        Row("day", (Cell("last 24 hours"), Cell(unit.count(recent.get("last_24h_requests", 0))), Cell(unit.NOTHING),
                    Cell(unit.NOTHING), Cell(unit.NOTHING))),
    ]


def model(one: dict[str, Any]) -> Row:
    name = line(str(one.get("model", ""))) or "unknown"
    return Row(name, (
        Cell(name), Cell(unit.count(one.get("requests", 0))), Cell(unit.count(one.get("prompt_tokens", 0))),
        Cell(unit.count(one.get("completion_tokens", 0))), Cell(f"{one.get('avg_ttft_ms', 0):.0f} ms"),
        Cell(f"{one.get('tokens_per_sec', 0):.1f}"),
    ))
