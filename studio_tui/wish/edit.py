"""Recipes are made, copied and changed: in a form, or as text in the person's editor."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from studio_core.errors import BadInput, StudioError
from studio_core.text import line
from studio_tui import draft, message, wanted
from studio_tui.boundary import safe_error

if TYPE_CHECKING:
    from studio_core.client import Client
    from studio_tui.app import StudioApp
    from studio_tui.draft import Edited


def edit_form(app: StudioApp, wish: wanted.EditForm) -> None:
    """What is stored goes to the form as it is: what is shown is made safe there."""
    def job(client: Client) -> None:
        found = client.recipe(wish.recipe_id)
        app.post_message(wanted.FormReady({**found.recipe, "id": found.id}, found.version))

    app.bridge.ask(app, job)


def copy_recipe(app: StudioApp, wish: wanted.CopyRecipe) -> None:
    def job(client: Client) -> None:
        found = client.recipe(wish.recipe_id)
        raw: dict[str, Any] = {**found.recipe, "id": f"{found.id}-copy", "name": f"{found.name} copy", "pin": False}
        # One port and one name cannot serve two.
        raw = {name: value for name, value in raw.items() if name not in ("port", "served_model_name", "aliases")}
        app.post_message(wanted.FormReady(raw, None))

    app.bridge.ask(app, job)


def new_recipe(app: StudioApp, wish: wanted.NewRecipe) -> None:
    app.post_message(wanted.FormReady(dict(wish.fields), None))


def edit_text(app: StudioApp, wish: wanted.EditText) -> None:
    def job(client: Client) -> None:
        found = draft.begin(client, wish.recipe_id)
        app.post_message(wanted.TextReady(found))

    app.bridge.ask(app, job)


def form_ready(app: StudioApp, news: wanted.FormReady) -> None:
    from studio_tui.screens.recipe_form import RecipeForm

    app.push_screen(RecipeForm(app.bridge, news.raw, news.version))


def text_ready(app: StudioApp, news: wanted.TextReady) -> None:
    """The terminal is the editor's until it ends."""
    found = news.draft
    words = [*draft.editor(), str(found.path)]
    name = Path(words[0]).name
    code, problem = 0, ""
    with app.suspend():
        # What is raised in here would leave the app without its terminal.
        try:
            code = subprocess.run(words, check=False).returncode
        except OSError as error:
            problem = str(error)
    if problem:
        app.complain(BadInput(f"{name} could not be started", problem, "set EDITOR"))
        draft.forget(found)
        return
    if code:
        app.complain(BadInput(f"{name} ended with {code}", "nothing was stored", f"your text is kept in {found.path}"))
        return

    def job(client: Client) -> message.Said | None:
        try:
            edited = draft.end(client, found)
        except StudioError as error:
            app.post_message(wanted.TextWrong(found, safe_error(error)))
            return None
        if edited is None:
            draft.forget(found)
            return message.Said(f"{found.recipe_id} was not changed")
        app.post_message(wanted.TextDone(edited))
        return None

    app.bridge.ask(app, job)


def text_wrong(app: StudioApp, news: wanted.TextWrong) -> None:
    """Back to the text with its mistake known; it is kept also by who does not want to."""
    from studio_tui.screens.confirm import Confirm

    error = news.error

    def decided(yes: bool | None) -> None:
        if yes:
            app.post_message(wanted.TextReady(news.draft))
        else:
            app.say(f"not stored; your text is kept in {news.draft.path}")

    text = "\n".join(filter(None, [f"{error.title}.", error.detail, error.hint]))
    app.push_screen(Confirm(f"The text of {line(news.draft.name)}", text, "Edit it again"), decided)


def text_done(app: StudioApp, news: wanted.TextDone) -> None:
    _ask(app, news.edited)


def text_clashed(app: StudioApp, news: wanted.TextClashed) -> None:
    told = ("Somebody changed it meanwhile. Yours against what is stored now:", "", *news.clash.lines)
    _ask(app, replace(news.edited, lines=told), news.clash.version)


def _ask(app: StudioApp, edited: Edited, version: int | None = None) -> None:
    """Show what changes and what is wrong with it, ask, store on the version that was read. What is not stored is kept."""
    from studio_tui.screens.confirm import Confirm

    found = edited.draft
    wrong = ["", "A launch would stumble over:", *edited.problems] if edited.problems else []

    def decided(yes: bool | None) -> None:
        if yes:
            app.bridge.ask(app, job)
        else:
            app.say(f"not stored; your text is kept in {found.path}")

    def job(client: Client) -> message.Said | None:
        try:
            done = draft.store(client, edited.data, found.version if version is None else version)
        except StudioError as error:
            raise draft.kept(error, found) from error
        if isinstance(done, draft.Clash):
            app.post_message(wanted.TextClashed(edited, done))
            return None
        draft.forget(found)
        return message.Said(f"{done.id} stored, version {done.version}")

    app.push_screen(Confirm(f"Change the recipe {line(found.name)}", "\n".join([*edited.lines, *wrong]), "Store it"), decided)
