"""Studio itself: settings that are stored, keys, the doctor's findings, and a new start of the controller."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from studio_core import routes, setting_file, wire
from studio_core import settings as table
from studio_core.controller.endpoint import Call, Endpoint, Table
from studio_core.controller.routes.system import shown
from studio_core.doctor.examination import examine
from studio_core.doctor.subject import Subject
from studio_core.errors import BadInput, BadValue, SettingChanged
from studio_core.paths import Places
from studio_core.store.key import KeyTable, admin_key_id, ensure_admin_key, key_id

# Where the file itself lies cannot stand in it.
ELSEWHERE = frozenset({"data_dir"})
SCOPES = (routes.ADMIN, routes.INFERENCE, routes.READ, routes.METRICS)
NAME_LENGTH = 80
STARS = "***"
# What is asked about the terminal of the controller tells nothing about the one of who asks.
NOT_HERE = frozenset({"characters", "tmux"})


def file(call: Call) -> Path:
    return call.services.places.root / "studio.yaml"


async def every(call: Call) -> list[wire.SettingView]:
    stored = await asyncio.to_thread(table.stored, file(call))
    return [_view(call, one, stored) for one in table.TABLE]


def _view(call: Call, one: table.Setting, stored: Mapping[str, Any]) -> wire.SettingView:
    holds = call.services.settings
    said = stored.get(one.name)
    value = holds.values[one.name]
    # What a daemon reads at its start is held to what the file says now; what a client reads it takes up by itself.
    beaten = holds.origins[one.name].startswith(("environment", "command line"))
    changed = (one.name in stored) != (holds.origins[one.name] == str(file(call))) or (said is not None and one.read(said) != value)
    return wire.SettingView(
        name=one.name, value=shown(one, value), origin=holds.origins[one.name], variable=one.variable, doc=one.doc,
        kind=table.kind(one), stored=None if said is None else shown(one, said), secret=one.secret, client=one.client,
        pending=changed and not beaten and not one.client,
    )


async def store(call: Call) -> list[wire.SettingView]:
    """Checked as at a start, before a line is written."""
    changes: dict[str, Any] = call.body.changes
    if not changes:
        raise BadInput("no setting is named", "", 'send {"changes": {"port": 8081}}')
    for name, value in changes.items():
        one = table.find(name, "the request")
        if name in ELSEWHERE:
            raise BadValue(f"{name} cannot stand in {file(call).name}", "it says where that file lies", f"set {one.variable}")
        if value is not None:
            table.read(one, value, "the request")
            if STARS in json.dumps(value):
                raise BadValue(f"{STARS} stands for what is hidden", f"it was given for {name}", "give the whole value")
    await asyncio.to_thread(setting_file.change, file(call), changes, partial(_check, call.body.expected))
    return await every(call)


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


async def keys(call: Call) -> list[wire.KeyView]:
    own = admin_key_id(call.services.places)
    return [
        wire.KeyView(id=one.id, name=one.name, scopes=list(one.scopes), created_at=one.created_at, own=one.id == own)
        for one in await call.services.keys.list()
    ]


async def make_key(call: Call) -> wire.NewKey:
    name, scopes = call.body.name.strip(), tuple(dict.fromkeys(call.body.scopes))
    if not name or len(name) > NAME_LENGTH or not name.isprintable():
        raise BadValue("a key needs a name", f"of 1 to {NAME_LENGTH} printable characters", "name who or what uses it")
    if not scopes or set(scopes) - set(SCOPES):
        raise BadValue("a key needs scopes", ", ".join(scopes) or "none given", f"give some of: {', '.join(SCOPES)}")
    key = await call.services.keys.create(name, scopes)
    await call.services.changed()
    return wire.NewKey(id=key_id(key), name=name, scopes=list(scopes), key=key)


async def revoke_key(call: Call) -> wire.Done:
    """From the answer on no gateway takes it. The key of admin.key is replaced: there is always one."""
    services = call.services
    own = admin_key_id(services.places) == call.path["key_id"]
    await services.keys.revoke(call.path["key_id"])
    if own:
        await _new_admin_key(services.places, services.keys)
    await services.changed()
    return wire.Done()


async def _new_admin_key(places: Places, keys: KeyTable) -> None:
    places.admin_key.unlink(missing_ok=True)
    await ensure_admin_key(places, keys)


async def doctor(call: Call) -> list[wire.DoctorFinding]:
    return await asyncio.to_thread(_examined, call)


def _examined(call: Call) -> list[wire.DoctorFinding]:
    found = examine(Subject(call.services.settings, os.environ))
    return [wire.DoctorFinding(**asdict(one)) for one in found if one.check not in NOT_HERE]


async def restart(call: Call) -> wire.Done:
    call.services.restart()
    return wire.Done()


ENDPOINTS: Table = {
    ("GET", "/settings"): Endpoint(every, list[wire.SettingView]),
    ("PUT", "/settings"): Endpoint(store, list[wire.SettingView], body=wire.SettingChange),
    ("GET", "/keys"): Endpoint(keys, list[wire.KeyView]),
    ("POST", "/keys"): Endpoint(make_key, wire.NewKey, body=wire.KeyWish),
    ("DELETE", "/keys/{key_id}"): Endpoint(revoke_key, wire.Done),
    ("GET", "/doctor"): Endpoint(doctor, list[wire.DoctorFinding]),
    ("POST", "/restart"): Endpoint(restart, wire.Done, statuses=(202,)),
}
