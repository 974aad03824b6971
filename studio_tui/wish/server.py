"""Drive another Studio: everything that was known of the old one goes, and the rooms are built anew."""

from __future__ import annotations

from typing import TYPE_CHECKING

from studio_core import server
from studio_core.errors import StudioError
from studio_core.text import line
from studio_tui import wanted
from studio_tui.bridge import Bridge

if TYPE_CHECKING:
    from studio_tui.app import StudioApp


async def drive(app: StudioApp, wish: wanted.Drive) -> None:
    try:
        settings = server.aimed(app.bridge.settings, wish.server)
    except StudioError as error:
        app.complain(error)
        return
    await app.drive(Bridge(settings))
    app.say(f"drives {line(wish.server.name if wish.server else 'this machine')}")
