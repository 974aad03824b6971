"""Recipes are pinned, gone to, and shown as the command that they become."""

from __future__ import annotations

from typing import TYPE_CHECKING

from studio_core.text import line
from studio_tui import message, wanted

if TYPE_CHECKING:
    from studio_core.client import Client
    from studio_tui.app import StudioApp


def pin(app: StudioApp, wish: wanted.Pin) -> None:
    """Each on the version that was read: what somebody else stores meanwhile is not overwritten."""
    def job(client: Client) -> message.Said:
        for name in wish.recipe_ids:
            found = client.recipe(name)
            client.put_recipe({**found.recipe, "pin": wish.pin, "id": found.id}, found.version)
        return message.Said(f"{', '.join(wish.recipe_ids)} {'pinned' if wish.pin else 'no longer pinned'}")

    app.bridge.ask(app, job)


async def open_recipe(app: StudioApp, wish: wanted.OpenRecipe) -> None:
    from studio_tui.screens.recipes import Recipes

    await app.action_show("recipes")
    if isinstance(app.screen, Recipes):
        app.screen.select(wish.recipe_id)


def show_command(app: StudioApp, wish: wanted.ShowCommand) -> None:
    app.bridge.ask(app, lambda client: wanted.CommandCame(wish.name, client.check(wish.recipe_id)))


def command_came(app: StudioApp, news: wanted.CommandCame) -> None:
    from studio_tui.screens.command import CommandPage

    app.push_screen(CommandPage(line(news.name), news.found))
