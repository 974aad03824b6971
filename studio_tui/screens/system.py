"""Studio itself, in four parts: its processes, its settings, its keys, and what the doctor finds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static

from studio_core import settings as known
from studio_core import wire
from studio_core.errors import BadSetting
from studio_core.setting_store import STARS, spelled, typed
from studio_core.text import line
from studio_tui import household
from studio_tui.keymap import bindings
from studio_tui.message import Said
from studio_tui.screens.place import STYLES, Place
from studio_tui.screens.system_row import COLUMNS, finding, key, processes, setting, topology
from studio_tui.view import View
from studio_tui.widgets.panel import Panel
from studio_tui.widgets.part_bar import PartBar
from studio_tui.widgets.table import Table

PARTS = {"services": "Services", "settings": "Settings", "keys": "Keys", "doctor": "Doctor"}
EMPTY = {"services": "Studio does not answer", "settings": "reading", "keys": "no key yet \u00b7 n makes one",
         "doctor": "examining"}
SCOPES = "admin inference read metrics"


class System(Place):
    CSS_PATH = STYLES / "system.tcss"
    BINDINGS = bindings("system")

    def content(self) -> ComposeResult:
        self._part = "services"
        self._tables = {name: Table(COLUMNS[name], EMPTY[name], ident=name) for name in PARTS}
        self._settings: dict[str, wire.SettingView] = {}
        self._stored: Mapping[str, Any] = {}
        self._keys: dict[str, wire.KeyView] = {}
        self._findings: dict[str, wire.DoctorFinding] = {}
        self._parts = PartBar(tuple(PARTS.values()))
        self._notices = Static("", markup=False, id="notices", classes="panel")
        self._about = Static("", markup=False, id="about")
        yield self._parts
        with Vertical(id="parts"):
            for name, title in PARTS.items():
                yield Panel(title, self._tables[name], ident=f"part-{name}")
        yield self._about
        yield self._notices

    def on_mount(self) -> None:
        self._notices.border_title = "Notices"
        self._turn(self._part)

    def extra(self) -> dict[str, Any]:
        return {"part": self._part}

    def recalled(self, kept: dict[str, Any]) -> None:
        if kept.get("part") in PARTS:
            self._turn(kept["part"])

    # The parts.

    def _turn(self, name: str) -> None:
        self._part = name
        for each in PARTS:
            self.query_one(f"#part-{each}").display = each == name
        self._parts.turn(PARTS[name])
        self.set_focus(self._tables[name])
        self.read()
        self._tell()
        self.refresh_bindings()

    def read(self) -> None:
        asks = {"settings": household.settings, "keys": household.keys, "doctor": household.doctor}
        if self._part in asks and self.view.link.state == "live":
            asks[self._part](self.bridge, self)

    def show(self, view: View) -> None:
        found = view.status
        self._tables["services"].fill(list(processes(view, found)) if found else [])
        texts = [line(text) for text in found.notices] if found and self._part == "services" else []
        self._notices.display = bool(texts)
        if (text := "\n".join(texts)) != str(self._notices.content):
            self._notices.update(Content(text))
        if not self._settings and not self._keys and not self._findings and self._part != "services":
            self.read()
        self._tell()

    def on_settings_came(self, news: household.SettingsCame) -> None:
        self._settings = {one.name: one for one in news.settings}
        self._stored = news.stored
        self._tables["settings"].fill([setting(one) for one in news.settings])
        if news.text:
            self.post_message(Said(news.text))
        self._tell()

    def on_setting_clashed(self, news: household.SettingClashed) -> None:
        """Two people: what the other one stored is shown beside ours, and nothing is lost by either answer."""
        self.on_settings_came(news)
        self.post_message(household.Overwrite(self, self._settings[news.name], news.value, news.stored[news.name]))

    def on_keys_came(self, news: household.KeysCame) -> None:
        self._keys = {one.id: one for one in news.keys}
        self._tables["keys"].fill([key(one) for one in news.keys])
        self._tell()

    def on_findings_came(self, news: household.FindingsCame) -> None:
        self._findings = {f"{at}": one for at, one in enumerate(news.findings)}
        self._tables["doctor"].fill([finding(at, one) for at, one in self._findings.items()], "nothing was found")
        self._tell()

    def on_table_moved(self, event: Table.Moved) -> None:
        event.stop()
        self._tell()

    def on_table_chosen(self, event: Table.Chosen) -> None:
        event.stop()
        if self.check_action("edit", ()):
            self.action_edit()

    def _tell(self) -> None:
        """What there is to say of the selected row, below the table."""
        if not self.is_mounted:
            return
        text = Content("\n".join(self._words(self._tables[self._part].key or "")))
        if str(text) != str(self._about.content):
            self._about.update(text)
        self._about.display = bool(str(text))

    def _words(self, chosen: str) -> list[str]:
        if self._part == "services":
            return topology(self.view.status) if self.view.status else []
        if (one := self._settings.get(chosen)) is not None and self._part == "settings":
            says = spelled(one.stored, one.secret)
            pending = [f"studio.yaml says {says}: {household.RESTART}"] if one.pending else []
            origin = f"{one.kind or 'text'} \u00b7 {one.variable} \u00b7 set by {line(one.origin)}"
            return [line(one.doc), origin, *map(line, pending)]
        if (found := self._findings.get(chosen)) is not None and self._part == "doctor":
            return [line(text) for text in (found.what, found.why, f"do: {found.remedy}" if found.remedy else "") if text]
        if (stored := self._keys.get(chosen)) is not None and self._part == "keys" and stored.own:
            return ["the key of this installation, in admin.key: studio keys admin prints it"]
        return []

    # Actions.

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        parts = {"edit": ("settings",), "remove": ("settings", "keys"), "make": ("keys",)}
        return super().check_action(action, parameters) and self._part in parts.get(action, PARTS)

    def action_next(self) -> None:
        self._step(1)

    def action_previous(self) -> None:
        self._step(-1)

    def _step(self, step: int) -> None:
        names = list(PARTS)
        self._turn(names[(names.index(self._part) + step) % len(names)])

    def action_refresh(self) -> None:
        self.read()
        self.post_message(Said(f"{PARTS[self._part].lower()}: asked anew"))

    def action_restart(self) -> None:
        self.post_message(household.Restart())

    def action_edit(self) -> None:
        from studio_tui.screens.form import Field, Form

        one = self._settings.get(self._tables["settings"].key or "")
        if one is None:
            return
        name, before = one.name, self._stored.get(one.name)
        text = f"{line(one.doc)}\n{one.kind or 'text'}; now {line(spelled(one.value, one.secret))}, set by {line(one.origin)}"
        field = Field("value", "new value", written(one), one.secret)

        def entered(values: dict[str, str] | None) -> None:
            if values is not None:
                household.change(self.bridge, self, name, typed(name, values["value"]), before)

        self.app.push_screen(Form(f"Setting {name}", text, [field], lambda values: wrong(name, values["value"])), entered)

    def action_remove(self) -> None:
        chosen = self._tables[self._part].key or ""
        if self._part == "keys" and chosen in self._keys:
            self.post_message(household.Revoke(self, self._keys[chosen]))
        elif self._part == "settings" and chosen in self._settings:
            if self._settings[chosen].stored is None:
                self.post_message(Said(f"{chosen} does not stand in studio.yaml"))
            else:
                household.change(self.bridge, self, chosen, None, self._stored.get(chosen))

    def action_make(self) -> None:
        from studio_tui.screens.form import Field, Form

        fields = [Field("name", "who or what uses it"), Field("scopes", f"scopes, of: {SCOPES}", "inference read")]
        text = "For programs and people that come over the network."
        self.app.push_screen(Form("A new key", text, fields, key_problem), self._make)

    def _make(self, values: dict[str, str] | None) -> None:
        if values is not None:
            household.make_key(self.bridge, self, values["name"], values["scopes"].replace(",", " ").split())

    def on_key_made(self, news: household.KeyMade) -> None:
        from studio_tui.screens.secret import Secret

        household.keys(self.bridge, self)
        self.app.push_screen(Secret(news.key))


def key_problem(values: dict[str, str]) -> str:
    scopes = values["scopes"].replace(",", " ").split()
    if not values["name"].strip():
        return "give it a name"
    if unknown := [one for one in scopes if one not in SCOPES.split()]:
        return f"there is no scope {unknown[0]}"
    return "" if scopes else f"give some of: {SCOPES}"


def written(one: wire.SettingView) -> str:
    """A setting's value as a person would write it; what is hidden begins empty."""
    import json

    value = one.stored if one.stored is not None else one.value
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return "" if one.secret or value is None or STARS in text else text


def wrong(name: str, text: str) -> str:
    """Why this value will not do, as the settings themselves say it."""
    one = known.BY_NAME.get(name)
    try:
        if one is not None:
            known.read(one, typed(name, text), "this field")
    except BadSetting as error:
        return f"{error.title}: {error.hint}"
    return ""


