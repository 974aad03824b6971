"""Requests and tokens, summed over everything that Studio has served: by time, by model, and how long they took."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from textual.app import ComposeResult
from textual.containers import Container, Vertical

from studio_core import wire
from studio_core.text import line
from studio_tui import status, unit
from studio_tui.keymap import bindings
from studio_tui.message import FlightsCame, Said, UsageCame
from studio_tui.screens.place import CALM_S, STYLES, Place
from studio_tui.wanted import CancelRequest
from studio_tui.widgets.panel import Panel
from studio_tui.widgets.table import Cell, Column, Row, Table

SUMS = (Column("", 15, flex=1), Column("REQUESTS", 8, right=True), Column("TOKENS", 11, right=True),
        Column("IN", 11, right=True, needs=84), Column("OUT", 11, right=True, needs=84), Column("FAILED", 6, right=True))
SPEEDS = (Column("", 13, flex=1), Column("HALF IN", 7, right=True), Column("95 % IN", 7, right=True),
          Column("99 % IN", 7, right=True))
MODELS = (Column("MODEL", 14, flex=1), Column("REQUESTS", 8, right=True), Column("TOKENS IN", 10, right=True),
          Column("TOKENS OUT", 10, right=True), Column("FIRST TOKEN", 11, right=True, needs=70),
          Column("TOKENS/S", 8, right=True, needs=82), Column("OK", 5, right=True, needs=94))
FLIGHTS = (Column("UNDER WAY", 9), Column("STATE", 9), Column("MODEL", 12, flex=1), Column("KEY", 10, flex=1, needs=64),
           Column("TOKENS", 7, right=True), Column("PATH", 20, flex=1, needs=96))
BAR = 12
DAYS = (Column("DAY", 5), Column("", BAR), Column("REQUESTS", 8, flex=1, right=True), Column("TOKENS", 9, right=True))
EMPTY = "no request yet \u00b7 press 4 to talk to a model, or use the API"
LEVELS = "\u2581\u2582\u2583\u2584\u2585\u2586\u2587\u2588"
# A look at the sums again; at what is under way, where something is.
AGAIN_S, SOON_S = 10.0, 2.0
# Requests that are in sight at once.
MOST = 5


class Usage(Place):
    CSS_PATH = STYLES / "usage.tcss"
    BINDINGS = bindings("usage")
    REST_S = CALM_S

    def content(self) -> ComposeResult:
        self._sums = Table(SUMS, "reading", ident="totals")
        self._speeds = Table(SPEEDS, "reading", ident="times")
        self._models = Table(MODELS, "reading", ident="models")
        self._days = Table(DAYS, "reading", ident="dates")
        self._asked = self._glanced = 0.0
        self._flights = Table(FLIGHTS, "none at the moment", ident="flights")
        self._under_way: dict[str, wire.Flight] = {}
        self._going = Panel("Requests under way", self._flights, ident="going")
        self._going.display = False
        self._rows = 0
        self._by_day = Panel("By day", self._days, ident="days")
        yield self._going
        with Container(id="split"):
            with Vertical(id="left"):
                yield Panel("All requests", self._sums, ident="sums")
                yield Panel("By model", self._models, ident="each")
            with Vertical(id="right"):
                yield Panel("How long they took", self._speeds, ident="speeds")
                yield self._by_day

    def on_mount(self) -> None:
        self.set_focus(self._models)

    @property
    def pace(self) -> float:
        return SOON_S if self._under_way else super().pace

    async def tick(self) -> None:
        if self.view.link.state == "live":
            now = time.monotonic()
            if now - self._asked > AGAIN_S:
                self.read()
            elif now - self._glanced >= SOON_S / 2:
                self._glance()

    def read(self) -> None:
        self._asked = time.monotonic()
        self.bridge.usage(self)
        self._glance()

    def _glance(self) -> None:
        self._glanced = time.monotonic()
        self.bridge.flights(self)

    def on_flights_came(self, news: FlightsCame) -> None:
        """A table of nothing would take the room of the sums; once there, it stays until one leaves, so that nothing jumps."""
        self._under_way = {one.id: one for one in news.found.requests}
        self._flights.fill([flight(one) for one in news.found.requests])
        more = news.found.total - len(self._under_way)
        facts = (f"and {unit.count(more)} more" if more > 0 else "", "" if self.read_only else "d ends one")
        self._going.note(" \u00b7 ".join(filter(None, facts)))
        rows = min(MOST, max(1, len(self._under_way)))
        if self._under_way and (not self._going.display or rows > self._rows):
            self._going.display, self._rows = True, rows
            self._going.styles.height = rows + 3

    def on_screen_suspend(self) -> None:
        """A dialog above is no reason to jump."""
        self._going.display = bool(self._under_way)

    def action_cancel(self) -> None:
        one = self._under_way.get(self._flights.key or "")
        if one is None:
            self.post_message(Said("no request is under way"))
        elif not self._flights.has_focus:
            # Whoever looks at sums means none of them.
            self.post_message(Said("d ends the selected request under way: go there first, with tab"))
        else:
            self.post_message(CancelRequest(self, one))

    def action_refresh(self) -> None:
        self.read()
        self.post_message(Said("sums: read anew"))

    def on_usage_came(self, news: UsageCame) -> None:
        usage = news.usage
        self._sums.fill(sums(usage))
        self._speeds.fill(speeds(usage))
        self._models.fill([model(one) for one in usage.get("by_model", ())], EMPTY)
        daily = usage.get("daily", ())
        most = max((one.get("requests", 0) for one in daily), default=0)
        self._days.fill([day(one, most) for one in reversed(daily)], "no request in the last 14 days")
        self._by_day.note(hours(usage.get("hourly_pattern", ())))


def flight(one: wire.Flight) -> Row:
    waits = one.state in ("waiting", "prefill")
    return Row(one.id, (
        Cell(unit.age(one.age_s)), Cell(line(one.state), status.BUSY if waits else status.GOOD), Cell(line(one.model)),
        Cell(line(one.key or "anonymous"), status.QUIET), Cell(unit.count(one.tokens)), Cell(line(one.path), status.QUIET),
    ))


def sums(usage: Mapping[str, Any]) -> list[Row]:
    """From the beginning on, this week beside the last, and the last day. What is not counted apart is a dash."""
    whole, recent, weeks = (usage.get(name, {}) for name in ("totals", "recent_activity", "week_over_week"))
    prompt, completion = whole.get("prompt_tokens", 0), whole.get("completion_tokens", 0)
    all_time = whole.get("total_requests", 0), prompt + completion, prompt, completion, whole.get("failed_requests", 0)
    rows = [_sum("all", "all time", *all_time)]
    rows += [
        _sum(name, title, week.get("requests", 0), week.get("tokens", 0))
        for name, title in (("this_week", "this week"), ("last_week", "the week before")) if (week := weeks.get(name)) is not None
    ]
    rows.append(_sum("day", "last 24 hours", recent.get("last_24h_requests", 0), recent.get("last_24h_tokens")))
    return rows


def _sum(key: str, title: str, *figures: float | None) -> Row:
    cells = [Cell(unit.NOTHING, status.QUIET) if one is None else Cell(unit.count(one)) for one in (*figures, None, None, None)[:5]]
    if len(figures) == 5 and figures[4]:
        cells[4] = Cell(cells[4].text, status.BAD)
    return Row(key, (Cell(title), *cells))


def speeds(usage: Mapping[str, Any]) -> list[Row]:
    return [
        Row(name, (Cell(title), *(Cell(_time(usage.get(name, {}).get(part))) for part in ("p50_ms", "p95_ms", "p99_ms"))))
        for name, title in (("ttft", "first token"), ("latency", "whole request"))
    ]


def _time(milliseconds: float | None) -> str:
    """Zero stands for never measured."""
    if not milliseconds:
        return unit.NOTHING
    return f"{milliseconds:.0f} ms" if milliseconds < 10_000 else f"{milliseconds / 1000:.1f} s"


def model(one: Mapping[str, Any]) -> Row:
    name = line(str(one.get("model", ""))) or "unknown"
    share = one.get("success_rate")
    return Row(name, (
        Cell(name), Cell(unit.count(one.get("requests", 0))), Cell(unit.count(one.get("prompt_tokens", 0))),
        Cell(unit.count(one.get("completion_tokens", 0))), Cell(_time(one.get("avg_ttft_ms"))),
        Cell(f"{speed:.1f}" if (speed := one.get("tokens_per_sec")) else unit.NOTHING),
        Cell(unit.percent(share), status.BAD if share is not None and share < 90 else ""),
    ))


def day(one: Mapping[str, Any], most: int) -> Row:
    date, requests = line(str(one.get("date", ""))), one.get("requests", 0)
    return Row(date, (
        Cell(date[5:]), Cell(unit.bar(requests / most if most else 0, BAR), status.ACCENT), Cell(unit.count(requests)),
        Cell(unit.count(one.get("total_tokens", 0)), status.QUIET),
    ))


def hours(pattern: Any) -> str:
    """The hours of the day as one line of bars, from midnight on."""
    counts = [int(one.get("requests", 0)) for one in pattern]
    most = max(counts, default=0)
    if not most:
        return ""
    bars = "".join(LEVELS[round(count / most * (len(LEVELS) - 1))] if count else "\u00b7" for count in counts)
    return f"UTC 0h {bars} 24h"
