"""What the System room asks for and gets: settings, keys, the doctor's findings, a new start of the controller."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from textual.message import Message

from studio_core import wire
from studio_core.client import Client
from studio_tui.bridge import Bridge, Target
from studio_tui.message import Newest, Said, Wish


@dataclass
class SettingsCame(Newest):
    settings: tuple[wire.SettingView, ...]
    text: str = ""

    def can_replace(self, message: Message) -> bool:
        """One that tells of a change is heard, also when newer settings wait behind it."""
        return super().can_replace(message) and not self.text


@dataclass
class KeysCame(Newest):
    keys: tuple[wire.KeyView, ...]


@dataclass
class KeyMade(Message):
    key: wire.NewKey


@dataclass
class FindingsCame(Newest):
    findings: tuple[wire.DoctorFinding, ...]


@dataclass
class Restart(Wish):
    """A new controller in place of this one. Asked before it is done."""

    home: ClassVar[str] = "household"
    changes: ClassVar[bool] = True


@dataclass
class Revoke(Wish):
    """Take a key back; `target` gets the keys that are left."""

    home: ClassVar[str] = "household"
    changes: ClassVar[bool] = True
    target: Target
    key: wire.KeyView


def settings(bridge: Bridge, target: Target) -> None:
    bridge.ask(target, lambda client: SettingsCame(tuple(client.settings())))


def change(bridge: Bridge, target: Target, name: str, value: Any) -> None:
    """Store a value; None takes the setting out of studio.yaml."""
    def job(client: Client) -> Message:
        found = tuple(client.change_settings({name: value}))
        return SettingsCame(found, told(next(one for one in found if one.name == name)))

    bridge.ask(target, job)


def told(one: wire.SettingView) -> str:
    """What became of a change, in one line."""
    done = f"{one.name} stored" if one.stored is not None else f"{one.name} taken out of studio.yaml"
    if one.origin.startswith(("environment", "command line")):
        return f"{done}; the {one.origin} still says otherwise"
    if one.client:
        return f"{done}: it holds from the app's next start on"
    return f"{done}: R starts the controller anew with it" if one.pending else done


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
