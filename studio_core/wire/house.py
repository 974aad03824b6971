"""Studio itself: its settings, keys and findings."""

from __future__ import annotations

from typing import Any

from studio_core.wire.model import Model


class SettingView(Model):
    """One setting: the value that holds and where it comes from, what studio.yaml says, and in words what it may be.

    Secrets are stars. `pending`: studio.yaml says something else than what holds; a restart takes it up.
    """

    name: str
    value: Any = None
    origin: str = "default"
    variable: str = ""
    doc: str = ""
    kind: str = ""
    stored: Any = None
    secret: bool = False
    client: bool = False
    pending: bool = False


class SettingChange(Model):
    """PUT /settings: new values by name; null takes a setting out of studio.yaml.

    `expected`: what `stored` said of them when one looked. Where the file says something else by now, nothing is stored (409).
    """

    changes: dict[str, Any] = {}
    expected: dict[str, Any] = {}


class KeyView(Model):
    """A key without the key. `own`: it is the one of admin.key."""

    id: str
    name: str
    scopes: list[str] = []
    created_at: str = ""
    own: bool = False


class KeyWish(Model):
    """POST /keys."""

    name: str
    scopes: list[str] = []


class NewKey(Model):
    """The only time that a key is seen."""

    id: str
    name: str
    scopes: list[str]
    key: str


class DoctorFinding(Model):
    """GET /doctor: what a check found; `level` is ok, warn or fail."""

    check: str
    level: str
    what: str
    why: str = ""
    remedy: str = ""
