"""To a log, from wherever it is named."""

from __future__ import annotations

from typing import TYPE_CHECKING

from studio_tui import wanted

if TYPE_CHECKING:
    from studio_tui.app import StudioApp


async def open_log(app: StudioApp, wish: wanted.OpenLog) -> None:
    from studio_tui.screens.logs import Logs

    await app.action_show("logs")
    if isinstance(app.screen, Logs):
        app.screen.open(wish.log_id)
