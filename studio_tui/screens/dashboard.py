"""What the machine does: host, GPUs, models."""

from __future__ import annotations

import math

from textual.app import ComposeResult

from studio_core import wire
from studio_tui import status, unit
from studio_tui.keymap import bindings
from studio_tui.message import OpenLog
from studio_tui.screens.place import STYLES, Place
from studio_tui.view import Life, View
from studio_tui.widgets.gauge import Gauge
from studio_tui.widgets.gpu_list import GpuList
from studio_tui.widgets.panel import Panel
from studio_tui.widgets.table import Cell, Column, Row, Table

COLUMNS = (
    Column("MODEL", 13, flex=1),
    Column("STATE", 11),
    Column("PROGRESS", 18, flex=3, needs=72),
    Column("PORT", 5, right=True),
    Column("PID", 7, right=True),
    Column("AGE", 8, right=True, needs=56),
    Column("REQUESTS", 10, right=True, needs=100),
)
EMPTY = "nothing runs \u00b7 press 2 and Enter to launch a recipe"
# The probe goes back to its slow pace when nobody has looked for so long.
LOOK_S = 10.0


class Dashboard(Place):
    CSS_PATH = STYLES / "dashboard.tcss"
    BINDINGS = bindings("dashboard")

    def content(self) -> ComposeResult:
        self._cpu, self._memory = Gauge("CPU", ident="cpu"), Gauge("Memory", ident="memory")
        self._gpus = GpuList(ident="gpus")
        self._models = Table(COLUMNS, "connecting to Studio", ident="models")
        self._looked = -math.inf
        yield Panel("Host", self._cpu, self._memory, ident="host")
        yield self._gpus
        yield Panel("Models", self._models, ident="running")

    def on_mount(self) -> None:
        self._gpus.border_title = "GPUs"
        self.set_focus(self._models)

    def show(self, view: View) -> None:
        if view.now - self._looked > LOOK_S and view.link.state == "live":
            self._looked = view.now
            self.bridge.look()
        if view.gpus is not None:
            self._host(view.gpus.host)
            self._gpus.fill(view.gpus)
        empty = EMPTY if view.status is not None else view.link.why or status.LINKS[view.link.state].word
        foreign = view.status.foreign if view.status is not None else []
        self._models.fill([*(row(view, life) for life in view.lives()), *(stranger(view, one) for one in foreign)], empty)

    def _host(self, host: wire.Host) -> None:
        load = "" if host.load_1m is None else f"load {host.load_1m:.1f} \u00b7 "
        self._cpu.fill(None if host.cpu_percent is None else host.cpu_percent / 100, f"{load}{host.cpu_count} cores")
        share = host.memory_used / host.memory_total if host.memory_used is not None and host.memory_total else None
        self._memory.fill(share, unit.of(host.memory_used, host.memory_total))

    def on_table_chosen(self, event: Table.Chosen) -> None:
        event.stop()
        self.action_log()

    def action_log(self) -> None:
        if any(life.key == self._models.key and life.instance for life in self.view.lives()):
            self.post_message(OpenLog(self._models.key or ""))


def row(view: View, life: Life) -> Row:
    """A model as a line of the table."""
    mark, one = status.mark(life.state), life.instance
    return Row(life.key, (
        Cell(life.name),
        Cell(str(mark), mark.tone),
        Cell(told(view, life), status.BAD if life.state in ("failed", "stuck") else ""),
        Cell(str(one.port) if one and one.port else unit.NOTHING),
        Cell(str(one.engine_pid) if one and one.engine_pid else unit.NOTHING),
        Cell(unit.age(view.age(one.age_s if one else life.launch.age_s if life.launch else 0.0))),
        Cell(f"{one.running} + {one.waiting}" if one else unit.NOTHING),
    ))


def stranger(view: View, one: wire.Foreign) -> Row:
    """An engine that Studio did not start; its sign and word say so, and it has no log."""
    mark = status.mark("attached" if one.attached else "foreign")
    memory = f" \u00b7 {unit.size(one.memory_bytes)} GPU" if one.memory_bytes is not None else ""
    words = one.note or ("" if one.state == "ready" else one.state)
    running = unit.NOTHING if one.running is None else f"{one.running} + {one.waiting or 0}"
    return Row(f"foreign-{one.pid}", (
        Cell(one.name),
        Cell(str(mark), mark.tone),
        Cell(f"{one.engine} of {one.owner}{memory}" + (f" \u00b7 {words}" if words else "")),
        Cell(str(one.port) if one.port else unit.NOTHING),
        Cell(str(one.pid)),
        Cell(unit.age(view.age(one.age_s))),
        Cell(running),
    ))


def told(view: View, life: Life) -> str:
    """What there is to tell of a model beside its state. A bar only where the engine has given a percentage."""
    if life.failure is not None:
        return life.failure.title
    if life.coming:
        return progress(view, life)
    if life.instance is not None and life.state == "ready":
        return ", ".join(life.instance.served_names)
    return life.progress.message or life.progress.stage


def progress(view: View, life: Life) -> str:
    now = life.progress
    words = now.message or now.stage
    if now.percent is None:
        waiting = f"waiting for {', '.join(life.launch.leaving)}" if life.launch and life.launch.leaving else ""
        return waiting or " \u00b7 ".join(part for part in ("no progress yet", words) if part)
    bar = unit.bar(now.percent / 100, 8).ljust(8, unit.REST)
    left = f" \u00b7 about {unit.age(view.left(now.eta_s))} \u00b7" if now.eta_s is not None else ""
    # What is cut off at the end is what matters least.
    return f"{bar} {unit.percent(now.percent)}{left} {words}"
