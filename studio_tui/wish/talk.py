"""Chats get another title, and are deleted; requests under way are ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from studio_core.text import line
from studio_tui import message, unit, wanted

if TYPE_CHECKING:
    from studio_core.client import Client
    from studio_tui.app import StudioApp


def rename_chat(app: StudioApp, wish: wanted.RenameChat) -> None:
    from studio_tui.screens.form import Field, Form

    def entered(values: dict[str, str] | None) -> None:
        title = " ".join(values["title"].split()) if values is not None else ""

        def job(client: Client) -> message.ChatRenamed:
            client.rename_chat(wish.chat.id, title)
            return message.ChatRenamed(wish.chat.id, title)

        if title:
            app.bridge.ask(wish.target, job)

    def wrong(values: dict[str, str]) -> str:
        return "" if values["title"].strip() else "give it a title"

    field = Field("title", "title", line(wish.chat.title))
    app.push_screen(Form("Rename the chat", "A chat is called by its first words until it has a title.", [field], wrong), entered)


def delete_chat(app: StudioApp, wish: wanted.DeleteChat) -> None:
    def job(client: Client) -> message.ChatGone:
        client.delete_chat(wish.chat.id)
        return message.ChatGone(wish.chat.id)

    title = line(wish.chat.title)
    text = f"Delete the chat {title}? All that was said in it is gone then."
    app.ask(f"Delete {title}", text, "Delete", lambda: app.bridge.ask(wish.target, job))


def cancel_request(app: StudioApp, wish: wanted.CancelRequest) -> None:
    one = wish.flight

    def job(client: Client) -> message.FlightsCame:
        client.cancel_request(one.id)
        return message.FlightsCame(client.requests())

    who = line(one.key or "somebody on this machine")
    text = f"End the request of {who} to {line(one.model)}, under way for {unit.age(one.age_s)}? Its client gets an error."
    app.ask(f"Cancel a request to {line(one.model)}", text, "Cancel it", lambda: app.bridge.ask(wish.target, job))
