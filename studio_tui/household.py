"""What the System room asks for and gets: settings, keys, the doctor's findings, a new start of the controller."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar

from textual.message import Message

from studio_core import wire
from studio_core.client import Client
from studio_core.errors import SettingChanged
from studio_core.setting_store import told
from studio_tui.bridge import Bridge, Target
from studio_tui.letter import Letter
from studio_tui.message import Newest, Said
from studio_tui.wanted import Wish

# Of a change: how it comes to hold.
RESTART = "R starts the controller anew with it"


class SettingsCame(Newest):
    """`_stored` is what studio.yaml says, by name, as it came: the others are made safe to show."""

    settings: tuple[wire.SettingView, ...]
    text: str = ""
    _stored: Mapping[str, Any] = MappingProxyType({})

    @property
    def stored(self) -> Mapping[str, Any]:
        return self._stored

    def can_replace(self, message: Message) -> bool:
        """One that tells of a change is heard, also when newer settings wait behind it."""
        return super().can_replace(message) and not self.text


class SettingClashed(SettingsCame):
    """Somebody else changed the setting meanwhile; `_value` is the one that was to be stored."""

    name: str = ""
    _value: Any = None

    @property
    def value(self) -> Any:
        return self._value

    def can_replace(self, message: Message) -> bool:
        return False


class KeysCame(Newest):
    keys: tuple[wire.KeyView, ...]


class KeyMade(Letter):
    key: wire.NewKey


class FindingsCame(Newest):
    findings: tuple[wire.DoctorFinding, ...]


class Overwrite(Wish):
    """Store a value over one that somebody else stored meanwhile. Asked before it is done."""

    home: ClassVar[str] = "household"
    changes: ClassVar[bool] = True
    target: Target
    now: wire.SettingView
    value: Any
    before: Any


class Restart(Wish):
    """A new controller in place of this one. Asked before it is done."""

    home: ClassVar[str] = "household"
    changes: ClassVar[bool] = True


class Revoke(Wish):
    """Take a key back; `target` gets the keys that are left."""

    home: ClassVar[str] = "household"
    changes: ClassVar[bool] = True
    target: Target
    key: wire.KeyView


def settings(bridge: Bridge, target: Target) -> None:
    def job(client: Client) -> Message:
        found = tuple(client.settings())
        return SettingsCame(found, "", said(found))

    bridge.ask(target, job)


def said(found: Sequence[wire.SettingView]) -> Mapping[str, Any]:
    return {one.name: one.stored for one in found}


def change(bridge: Bridge, target: Target, name: str, value: Any, before: Any) -> None:
    """Store a value in place of the one that studio.yaml said before; None takes the setting out of it."""
    def job(client: Client) -> Message:
        try:
            found = tuple(client.change_settings({name: value}, {name: before}))
        except SettingChanged:
            found = tuple(client.settings())
            return SettingClashed(found, "", said(found), name, value)
        return SettingsCame(found, told(next(one for one in found if one.name == name), RESTART), said(found))

    bridge.ask(target, job)


def keys(bridge: Bridge, target: Target) -> None:
    bridge.ask(target, lambda client: KeysCame(tuple(client.keys())))


def make_key(bridge: Bridge, target: Target, name: str, scopes: Sequence[str]) -> None:
    bridge.ask(target, lambda client: KeyMade(client.make_key(name, scopes)))


def revoke(bridge: Bridge, target: Target, key_id: str) -> None:
    def job(client: Client) -> Message:
        client.revoke_key(key_id)
        return KeysCame(tuple(client.keys()))

    bridge.ask(target, job)


def doctor(bridge: Bridge, target: Target) -> None:
    bridge.ask(target, lambda client: FindingsCame(tuple(client.doctor())))


def restart(bridge: Bridge, target: Target) -> None:
    def job(client: Client) -> Message:
        client.restart()
        return Said("the controller starts anew; engines and streams go on")

    bridge.ask(target, job)
