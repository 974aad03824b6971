"""Studio itself: settings, keys, findings, restart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from studio_core import wire
from studio_core.client.connection import Connection


class HouseCalls(Connection):
    """What a person does to Studio itself."""

    def settings(self) -> list[wire.SettingView]:
        return self._get("/settings", list[wire.SettingView])

    def change_settings(self, changes: Mapping[str, Any], expected: Mapping[str, Any] | None = None) -> list[wire.SettingView]:
        """Store values in studio.yaml; None takes one out. `expected` is what was `stored`: another's change is SettingChanged."""
        body = {"changes": dict(changes), **({"expected": dict(expected)} if expected is not None else {})}
        return self._send("PUT", "/settings", list[wire.SettingView], body)

    def keys(self) -> list[wire.KeyView]:
        return self._get("/keys", list[wire.KeyView])

    def make_key(self, name: str, scopes: Sequence[str]) -> wire.NewKey:
        return self._send("POST", "/keys", wire.NewKey, {"name": name, "scopes": list(scopes)})

    def revoke_key(self, key_id: str) -> None:
        self._send("DELETE", f"/keys/{quote(key_id, safe='')}", wire.Done)

    def doctor(self) -> list[wire.DoctorFinding]:
        """The findings of the machine on which Studio runs; some seconds."""
        return self._send("GET", "/doctor", list[wire.DoctorFinding], endless=True)

    def restart(self) -> None:
        """A new controller in place of this one; engines and streams go on."""
        self._send("POST", "/restart", wire.Done)
