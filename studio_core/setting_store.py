"""The settings as people see them, and a change of what `studio.yaml` says: for the API, and for a machine without a controller."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from studio_core import settings as table
from studio_core import wire
from studio_core.errors import BadInput, BadValue, SettingChanged
from studio_core.settings import Settings

# Where the file itself lies cannot stand in it.
ELSEWHERE = frozenset({"data_dir"})
# What stands for a hidden value.
STARS = "***"
_PASSWORD = re.compile(r"(?<=://)[^/@\s]*@")


def shown(setting: table.Setting, value: Any) -> Any:
    """A setting's value without what it may hide: keys, passwords in addresses, the engines' environment."""
    if setting.secret:
        return STARS if value else ""
    if isinstance(value, dict):
        return dict.fromkeys(value, STARS)
    return _PASSWORD.sub(f"{STARS}@", value) if isinstance(value, str) else value


def views(holds: Settings, file: Path) -> list[wire.SettingView]:
    """Every setting, in the table's order. `holds`: the settings of the process that tells. Raises BadSetting."""
    stored = table.stored(file)
    return [_view(holds, file, one, stored) for one in table.TABLE]


def _view(holds: Settings, file: Path, one: table.Setting, stored: Mapping[str, Any]) -> wire.SettingView:
    said, value, origin = stored.get(one.name), holds.values[one.name], holds.origins[one.name]
    # What a daemon reads at its start is held to what the file says now; what a client reads it takes up by itself.
    beaten = origin.startswith(("environment", "command line"))
    changed = (one.name in stored) != (origin == str(file)) or (said is not None and one.read(said) != value)
    return wire.SettingView(
        name=one.name, value=shown(one, value), origin=origin, variable=one.variable, doc=one.doc, kind=table.kind(one),
        stored=None if said is None else shown(one, said), secret=one.secret, client=one.client,
        pending=changed and not beaten and not one.client,
    )


def change(file: Path, changes: Mapping[str, Any], expected: Mapping[str, Any], where: str = "the request") -> None:
    """Write values into the file, None takes one out; checked as at a start, before a line is written.

    Raises:
        BadInput: nothing is named. BadSetting: no such setting, a value it cannot have, or a file that cannot be changed.
        BadValue: it cannot stand there. SettingChanged: `expected` is not what the file says.
    """
    # Only what changes something needs it: to look costs no YAML.
    from studio_core import setting_file

    if not changes:
        raise BadInput("no setting is named", "", 'send {"changes": {"port": 8081}}')
    for name, value in changes.items():
        one = table.find(name, where)
        if name in ELSEWHERE:
            raise BadValue(f"{name} cannot stand in {file.name}", "it says where that file lies", f"set {one.variable}")
        if value is not None:
            table.read(one, value, where)
            if STARS in json.dumps(value):
                raise BadValue(f"{STARS} stands for what is hidden", f"it was given for {name}", "give the whole value")
    setting_file.change(file, changes, partial(_check, expected))


def _check(expected: Mapping[str, Any], stored: Mapping[str, Any]) -> None:
    """Raises SettingChanged where the file says something else than was seen. Of two secrets only that there is one is seen."""
    for name, seen in expected.items():
        said = stored.get(name)
        now = None if said is None else wire.to_builtins(shown(table.find(name, "the request"), said))
        if now != seen:
            told = f"studio.yaml says {_word(now)} now, it said {_word(seen)}"
            raise SettingChanged(f"{name} was changed meanwhile", told, "look again: nothing was stored")


def _word(value: Any) -> str:
    return "nothing of it" if value is None else json.dumps(value, ensure_ascii=False)


# As words.


def typed(name: str, text: str) -> Any:
    """What a person typed for a setting, as YAML reads it. A text stays as it is: a key like 0123 is no number."""
    import yaml

    one = table.BY_NAME.get(name)
    if one is not None and one.read is str:
        return text
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        return text
    return "" if value is None else value


def spelled(value: Any, secret: bool = False) -> str:
    """A value for people; what is secret is not shown."""
    if value is None:
        return "not in studio.yaml"
    return STARS if secret else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def told(one: wire.SettingView, restart: str) -> str:
    """What became of a change, in one line; `restart` says how a new controller is started."""
    done = f"{one.name} stored" if one.stored is not None else f"{one.name} taken out of studio.yaml"
    if one.origin.startswith(("environment", "command line")):
        return f"{done}; the {one.origin} still says otherwise"
    if one.client:
        return f"{done}: it holds from the app's next start on"
    return f"{done}: {restart}" if one.pending else done
