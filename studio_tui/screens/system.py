"""Studio itself: its processes, what it wants to tell, and every setting with the place where it was set."""

from __future__ import annotations

from collections.abc import Iterator

from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Static

from studio_core import wire
from studio_core.text import line
from studio_tui import status, unit
from studio_tui.message import ConfigCame
from studio_tui.screens.place import STYLES, Place
from studio_tui.view import View
from studio_tui.widgets.panel import Panel
from studio_tui.widgets.table import Cell, Column, Row, Table

PROCESSES = (Column("PROCESS", 16, flex=1), Column("PID", 8, right=True), Column("UP", 10, right=True),
             Column("WHERE", 24, flex=1, needs=70))
SETTINGS = (Column("SETTING", 18), Column("VALUE", 20, flex=2), Column("SET BY", 16, flex=1, needs=64),
            Column("MEANING", 30, flex=3, needs=118))


class System(Place):
    CSS_PATH = STYLES / "system.tcss"

    def content(self) -> ComposeResult:
        self._processes = Table(PROCESSES, "Studio does not answer", ident="processes")
        self._settings = Table(SETTINGS, "reading", ident="settings")
        self._notices = Static("", markup=False, id="notices", classes="panel")
        self._daemons = Panel("Processes", self._processes, ident="daemons")
        yield self._daemons
        yield self._notices
        yield Panel("Settings", self._settings, ident="set")

    def on_mount(self) -> None:
        self._notices.border_title = "Notices"
        self.set_focus(self._settings)

    def on_screen_resume(self) -> None:
        self.bridge.config(self)

    def show(self, view: View) -> None:
        found = view.status
        self._processes.fill(list(processes(view, found)) if found else [])
        texts = [line(text) for text in found.notices] if found else []
        self._notices.display = bool(texts)
        text = "\n".join(texts)
        if text != str(self._notices.content):
            self._notices.update(Content(text))
        if found:
            self._daemons.note(found.state_dir)

    def on_config_came(self, news: ConfigCame) -> None:
        self._settings.fill([setting(one) for one in news.config.get("settings", ())])


def processes(view: View, found: wire.Status) -> Iterator[Row]:
    """The daemons, then a shim and an engine for each instance."""
    gateway = found.gateway
    yield _daemon(view, "controller", found.controller, "")
    yield _daemon(view, "gateway", gateway, gateway.url if gateway.port else "")
    yield _daemon(view, "probe", found.probe, "")
    for one in found.instances:
        age, place = unit.age(view.age(one.age_s)), f"{one.host}:{one.port}"
        for kind, pid, where in (("shim", one.shim_pid, ""), (one.engine, one.engine_pid, place)):
            yield Row(f"{kind} {one.id}", (Cell(f"{kind} of {line(one.name)}"), _pid(pid), Cell(age), Cell(where, status.QUIET)))


def _daemon(view: View, name: str, daemon: wire.Daemon, where: str) -> Row:
    up = unit.age(view.age(daemon.age_s)) if daemon.pid else unit.NOTHING
    return Row(name, (Cell(name), _pid(daemon.pid), Cell(up), Cell(where or daemon.version, status.QUIET)))


def _pid(pid: int | None) -> Cell:
    return Cell(str(pid)) if pid else Cell("none", status.BAD)


def setting(one: dict[str, object]) -> Row:
    name, origin = str(one.get("name", "")), str(one.get("origin", ""))
    value = one.get("value")
    shown = "\u2013" if value in ("", None, [], {}, ()) else line(str(value))
    tone = status.QUIET if origin == "default" else status.ACCENT
    return Row(name, (Cell(name), Cell(shown), Cell(line(origin), tone), Cell(line(str(one.get("doc", ""))), status.QUIET)))
