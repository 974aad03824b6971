"""What ends something of Studio's own: asked, with its name, before it is done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from studio_core.setting_store import spelled
from studio_core.text import line
from studio_tui import household

if TYPE_CHECKING:
    from studio_tui.app import StudioApp


def restart(app: StudioApp, wish: household.Restart) -> None:
    text = "Start the controller anew, with the settings as they are stored? Engines and streams go on; the app is back soon."
    app.ask("Restart the controller", text, "Restart", lambda: household.restart(app.bridge, app))


def overwrite(app: StudioApp, wish: household.Overwrite) -> None:
    """Theirs and ours, side by side."""
    name, secret = wish.now.name, wish.now.secret
    rows = (("stored now", wish.now.stored), ("yours", wish.value))
    told = [f"  {title:<12}{line(spelled(value, secret))}" for title, value in rows]
    text = "\n".join([f"Somebody changed {name} since you looked at it.", "", *told, "", "Store yours over it?"])
    app.ask(f"Setting {name}", text, "Store mine", lambda: household.change(
        app.bridge, wish.target, name, wish.value, wish.before,
    ))


def revoke(app: StudioApp, wish: household.Revoke) -> None:
    key = wish.key
    own = " A new one is written to admin.key." if key.own else ""
    text = f"Revoke the key {line(key.name)} ({', '.join(key.scopes)})? Whoever uses it is refused from then on.{own}"
    app.ask(f"Revoke {line(key.name)}", text, "Revoke", lambda: household.revoke(app.bridge, wish.target, key.id))
