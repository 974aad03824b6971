"""`studio settings`: what holds and where it comes from; `set` and `unset` change studio.yaml, also where Studio cannot start."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from typing import Any

from studio_core import daemon, setting_store, wire
from studio_core import settings as known
from studio_core.cli.table import as_json, table
from studio_core.errors import BadInput
from studio_core.paths import Places
from studio_core.setting_store import spelled, told, typed
from studio_core.settings import Settings
from studio_core.text import clean, line

WHERE = "the command line"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", nargs="?", choices=tuple(ACTIONS), default="list")
    parser.add_argument("name", nargs="?", default="", help="the setting; see the table in the README")
    parser.add_argument("value", nargs="?", help="to set: as YAML has it, lists and mappings too; - reads it from the input")
    parser.add_argument("--json", action="store_true", help="as JSON")


def run(options: argparse.Namespace, settings: Settings) -> int:
    if options.name:
        known.find(options.name, WHERE)
    print(ACTIONS[options.action](options, settings))
    return 0


def _list(options: argparse.Namespace, settings: Settings) -> str:
    if options.action == "show" and not options.name:
        raise BadInput("which setting is to be shown?", "", "like: studio settings show drain_s")
    found = [one for one in _seen(settings) if options.name in ("", one.name)]
    if options.json:
        return as_json(found)
    if options.name:
        return _described(found[0])
    return table(["SETTING", "VALUE", "SET BY"], [[one.name, _value(one), one.origin] for one in found])


def _set(options: argparse.Namespace, settings: Settings) -> str:
    if not options.name or options.value is None:
        raise BadInput("which setting is to have which value?", "", "like: studio settings set drain_s 60")
    # What is secret need not stand in the shell's history.
    text = sys.stdin.read().rstrip("\n") if options.value == "-" else options.value
    return _changed(options, settings, typed(options.name, text))


def _unset(options: argparse.Namespace, settings: Settings) -> str:
    if not options.name or options.value is not None:
        raise BadInput("which setting is to be taken out of studio.yaml?", "", "like: studio settings unset drain_s")
    return _changed(options, settings, None)


def _changed(options: argparse.Namespace, settings: Settings, value: Any) -> str:
    """Checked here first: a value that will not do is refused before anybody is asked."""
    one = known.find(options.name, WHERE)
    if value is not None:
        known.read(one, value, WHERE)
    now = next(each for each in _store(settings, {one.name: value}) if each.name == one.name)
    if options.json:
        return as_json(now)
    place = "the app there: 9, R" if settings.url else "studio up --replace"
    shown = "" if value is None else f" as {spelled(now.stored, one.secret)}"
    became = told(now, f"it holds from a new start of the controller on, engines go on: {place}")
    holds = "" if now.pending else f"; it is {_value(now)}, set by {now.origin}"
    return line(f"{became.replace(' stored', f' stored{shown}', 1)}{holds}")


def _seen(settings: Settings) -> list[wire.SettingView]:
    """As the controller has them; without one, as one that is started from here would."""
    if settings.url or daemon.answers(settings):
        return daemon.client(settings).settings()
    return setting_store.views(settings, settings.state_dir / "studio.yaml")


def _store(settings: Settings, changes: Mapping[str, Any]) -> list[wire.SettingView]:
    """Without a controller the file is changed from here: a wrong setting may be what keeps one from starting."""
    if settings.url or settings.read_only or daemon.answers(settings):
        return daemon.client(settings).change_settings(changes)
    places = Places(settings.state_dir)
    places.create()
    setting_store.change(places.root / "studio.yaml", changes, {}, WHERE)
    said = {name: settings.values[name] for name, origin in settings.origins.items() if origin == "command line"}
    return setting_store.views(known.load(said), places.root / "studio.yaml")


def _value(one: wire.SettingView) -> str:
    text = spelled(one.value, one.secret and bool(one.value)) or "-"
    return f"{text} (studio.yaml: {spelled(one.stored, one.secret)})" if one.pending else text


def _described(one: wire.SettingView) -> str:
    rows = (("value", _value(one)), ("set by", one.origin), ("studio.yaml", spelled(one.stored, one.secret)),
            ("variable", one.variable), ("may be", one.kind or "any text"))
    return "\n".join([clean(f"{one.name}: {one.doc}"), *(clean(f"  {name:<12}{line(text)}") for name, text in rows)])


ACTIONS: dict[str, Callable[[argparse.Namespace, Settings], str]] = {"list": _list, "show": _list, "set": _set, "unset": _unset}
