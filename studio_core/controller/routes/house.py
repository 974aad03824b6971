"""Studio itself: settings that are stored, keys, the doctor's findings, and a new start of the controller."""

from __future__ import annotations

import asyncio
import os
from dataclasses import asdict
from pathlib import Path

from studio_core import routes, setting_store, wire
from studio_core.controller.endpoint import Call, Endpoint, Table
from studio_core.doctor.examination import examine
from studio_core.doctor.subject import Subject
from studio_core.errors import BadValue
from studio_core.paths import Places
from studio_core.store.key import KeyTable, admin_key_id, ensure_admin_key, key_id

SCOPES = (routes.ADMIN, routes.INFERENCE, routes.READ, routes.METRICS)
NAME_LENGTH = 80
# What is asked about the terminal of the controller tells nothing about the one of who asks.
NOT_HERE = frozenset({"characters", "tmux"})


def file(call: Call) -> Path:
    return call.services.places.root / "studio.yaml"


async def every(call: Call) -> list[wire.SettingView]:
    return await asyncio.to_thread(setting_store.views, call.services.settings, file(call))


async def store(call: Call) -> list[wire.SettingView]:
    await asyncio.to_thread(setting_store.change, file(call), call.body.changes, call.body.expected)
    return await every(call)


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
