"""A copied text finds its way, and the person is told which it was."""

from __future__ import annotations

from asyncio import to_thread
from typing import TYPE_CHECKING

from studio_tui import clipboard, wanted

if TYPE_CHECKING:
    from studio_tui.app import StudioApp


def copy_question(app: StudioApp, wish: wanted.CopyQuestion) -> None:
    """At the address that is driven, or of this machine's gateway."""
    from studio_core.client.asked import question

    status = app.known.status
    base = app.bridge.settings.url or (status.gateway.url if status is not None and status.gateway.port else "")
    if base:
        app.post_message(wanted.Copy(question(base, wish.model), "a request for curl"))
    else:
        app.say("no gateway listens: there is no address to ask a model at")


async def copy(app: StudioApp, wish: wanted.Copy) -> None:
    pieces: list[str] = []
    done = await to_thread(clipboard.copy, wish.text, pieces.append)
    app.write_raw("".join(pieces))
    app.say(f"{wish.what}: {done.words}" if wish.what else done.words)
