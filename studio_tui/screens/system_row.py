"""Studio's parts as rows of a table. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from studio_core import wire
from studio_core.setting_store import spelled
from studio_core.text import line
from studio_tui import status, unit
from studio_tui.view import View
from studio_tui.widgets.table import Cell, Column, Row

COLUMNS = {
    "services": (Column("PROCESS", 18, flex=1), Column("PID", 8, right=True), Column("UP", 9, right=True),
                 Column("VERSION", 8, needs=84), Column("WHERE", 22, flex=1, needs=64)),
    "settings": (Column("SETTING", 18), Column("VALUE", 16, flex=2), Column("SET BY", 16, flex=1, needs=64),
                 Column("MEANING", 30, flex=3, needs=118)),
    "keys": (Column("NAME", 16, flex=1), Column("SCOPES", 16, flex=1), Column("MADE", 16, needs=66), Column("ID", 14, needs=86)),
    "doctor": (Column("", 6), Column("CHECK", 16, needs=56), Column("FINDING", 24, flex=1)),
}
LEVELS = {"ok": (status.GOOD, "\u25cf ok"), "warn": (status.BUSY, "\u25b2 know"), "fail": (status.BAD, "\u2716 fix")}


def processes(view: View, found: wire.Status) -> Iterator[Row]:
    """A tree: the gateway with the engines behind it, the controller with what it watches."""
    gateway = found.gateway
    where = gateway.url if gateway.port else ""
    linked = "" if gateway.connected or not gateway.pid else " (not linked)"
    yield _daemon(view, "gateway", gateway, f"{where}{linked}")
    yield _daemon(view, "controller", found.controller, "control.sock")
    yield _daemon(view, "probe", found.probe, "NVML and host", "\u2514 ")
    for one in found.instances:
        age, place = unit.age(view.age(one.age_s)), f"{one.host}:{one.port}"
        pair = (("\u2514 ", "shim", one.shim_pid, line(one.id)), ("  \u2514 ", one.engine, one.engine_pid, place))
        for lead, kind, pid, at in pair:
            cells = (_pid(pid), Cell(age), Cell(unit.NOTHING, status.QUIET), Cell(at, status.QUIET))
            yield Row(f"{kind} {one.id}", (Cell(f"{lead}{kind} of {line(one.name)}"), *cells))


def _daemon(view: View, name: str, daemon: wire.Daemon, where: str, lead: str = "") -> Row:
    up = unit.age(view.age(daemon.age_s)) if daemon.pid else unit.NOTHING
    version = Cell(daemon.version or unit.NOTHING, status.QUIET)
    return Row(name, (Cell(f"{lead}{name}"), _pid(daemon.pid), Cell(up), version, Cell(where, status.QUIET)))


def _pid(pid: int | None) -> Cell:
    return Cell(str(pid)) if pid else Cell("none", status.BAD)


def topology(found: wire.Status) -> list[str]:
    """How requests go, in a line, and where all of it is kept."""
    ready = [line(one.name) for one in found.instances if one.state == "ready"]
    gateway = f"{found.gateway.host}:{found.gateway.port}" if found.gateway.port else "no gateway"
    engines = ", ".join(ready) or "no model is ready"
    return [f"clients \u2192 {gateway} \u2192 {engines}", f"state directory {line(found.state_dir)}"]


def setting(one: wire.SettingView) -> Row:
    """What waits for a new start is marked."""
    shown = unit.NOTHING if one.value in ("", None, [], {}, ()) else line(spelled(one.value, one.secret))
    tone = status.QUIET if one.origin == "default" else status.ACCENT
    sign = "\u25b2 " if one.pending else ""
    return Row(one.name, (Cell(one.name), Cell(sign + shown, status.BUSY if one.pending else ""), Cell(line(one.origin), tone),
                          Cell(line(one.doc), status.QUIET)))


def key(one: wire.KeyView) -> Row:
    made = one.created_at[:16].replace("T", " ")
    name = f"{line(one.name)} (admin.key)" if one.own else line(one.name)
    scopes = Cell(", ".join(one.scopes), status.ACCENT)
    return Row(one.id, (Cell(name), scopes, Cell(made, status.QUIET), Cell(one.id, status.QUIET)))


def finding(at: str, one: wire.DoctorFinding) -> Row:
    tone, word = LEVELS.get(one.level, (status.QUIET, one.level))
    return Row(at, (Cell(word, tone), Cell(line(one.check), status.QUIET), Cell(line(one.what))))
