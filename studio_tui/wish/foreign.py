"""Engines that somebody else started: served under a name, served no more, ended when the person types their name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from studio_core.text import line
from studio_tui import message, unit, wanted

if TYPE_CHECKING:
    from studio_core.client import Client
    from studio_core.wire import Foreign
    from studio_tui.app import StudioApp


def described(one: Foreign) -> str:
    memory = f", {unit.size(one.memory_bytes)} of GPU memory" if one.memory_bytes is not None else ""
    return f"{one.engine} of {line(one.owner) or 'somebody'}, pid {one.pid}, port {one.port or 'unknown'}{memory}"


def attach(app: StudioApp, wish: wanted.Attach) -> None:
    from studio_tui.screens.named import Named

    one = wish.engine

    def named(name: str | None) -> None:
        if name is not None and one.state == "keyed":
            app.push_screen(
                Named(f"Attach {line(one.name)}", "It wants a key; only the gateway gets to know it.\n", secret=True),
                lambda key: keyed(name, key),
            )
        else:
            keyed(name, "")

    def keyed(name: str | None, key: str | None) -> None:
        def job(client: Client) -> message.Said:
            found = client.attach(one.pid, name or "", key or "", one.ticks)
            return message.Said(f"{one.name} is served as {found.attached}")

        if name is not None and key is not None:
            app.bridge.ask(app, job)

    app.push_screen(Named(
        f"Attach {line(one.name)}", f"{described(one)}\n\nClients will reach it through Studio under this name. "
        f"Studio does not own it: it neither restarts nor stops it.\n", value=line(one.name),
    ), named)


def detach(app: StudioApp, wish: wanted.Detach) -> None:
    one = wish.engine

    def job(client: Client) -> message.Said:
        client.detach(one.pid)
        return message.Said(f"{one.name} is served no more; it goes on")

    text = f"{described(one)}\n\nClients reach it no more as {line(one.attached or one.name)}. It goes on."
    app.ask(f"Detach {line(one.name)}", text, "Detach", lambda: app.bridge.ask(app, job))


def stop_foreign(app: StudioApp, wish: wanted.StopForeign) -> None:
    """The name is a person's word that this engine is meant; the start ticks say that it is still the one that was shown."""
    from studio_tui.screens.named import Named

    one = wish.engine

    def decided(name: str | None) -> None:
        def job(client: Client) -> message.Said:
            client.stop_foreign(one.pid, one.ticks, name or "")
            return message.Said(f"{one.name} has ended")

        if name is not None:
            app.bridge.ask(app, job)

    app.push_screen(Named(
        f"Stop {line(one.name)}", f"{described(one)}\n\nStudio did not start it. To end it, type its name: {line(one.name)}\n",
        expected=one.name,
    ), decided)
