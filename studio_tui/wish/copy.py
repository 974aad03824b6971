"""A copied text finds its way, and the person is told which it was."""

from __future__ import annotations

from asyncio import to_thread
from typing import TYPE_CHECKING

from studio_tui import clipboard, wanted

if TYPE_CHECKING:
    from studio_tui.app import StudioApp


async def copy(app: StudioApp, wish: wanted.Copy) -> None:
    pieces: list[str] = []
    done = await to_thread(clipboard.copy, wish.text, pieces.append)
    app.write_raw("".join(pieces))
    app.say(f"{wish.what}: {done.words}" if wish.what else done.words)
