"""Several recipes at once, those that are marked: launched and deleted, asked once with all their names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations
from typing import TYPE_CHECKING

from studio_core import wire
from studio_core.errors import Conflict, StudioError
from studio_core.text import line
from studio_tui import message, wanted
from studio_tui.listing import load

if TYPE_CHECKING:
    from studio_core.client import Client
    from studio_tui.app import StudioApp

WORDS = {
    "serves": "runs already", "joins": "is coming already", "broken": "cannot be read: it is left out", "wakes": "wakes",
    "pinned": "is left out: who would have to leave for it is pinned",
}
# With these nothing is asked of Studio.
IDLE = frozenset({"serves", "joins", "broken", "pinned"})


def launch_many(app: StudioApp, wish: wanted.LaunchMany) -> None:
    """Ask what each launch would do, before a person is asked."""
    def job(client: Client) -> wanted.ManyPlanned:
        ids = {one.id for one in wish.recipes}
        alone = any(one["name"] == "exclusive" and one["value"] for one in client.config()["settings"])
        refuse(wish.recipes, alone)
        return wanted.ManyPlanned(wish.recipes, tuple(one for one in client.plans() if one.recipe_id in ids))

    app.bridge.ask(app, job)


def refuse(recipes: Sequence[wire.RecipeView], alone: bool) -> None:
    """Raises Conflict where the launch of one would end that of another."""
    names = ", ".join(one.name for one in recipes)
    if alone:
        raise Conflict(f"only one of {names} can run", "one model at a time: the setting exclusive is on",
                       "take the marks away with esc, or change the setting: 9")
    for one, other in combinations(recipes, 2):
        if shared := set(map(str, one.recipe.get("gpus") or ())) & set(map(str, other.recipe.get("gpus") or ())):
            raise Conflict(f"{one.name} and {other.name} want the same GPU", ", ".join(sorted(shared)), "mark one of them only")


def many_planned(app: StudioApp, news: wanted.ManyPlanned) -> None:
    plans = {one.recipe_id: one for one in news.plans}
    names = {one.id: line(one.name) for one in news.recipes}
    wanted = [one for one in news.recipes if one.id in plans and plans[one.id].outcome not in IDLE]
    told = [f"  {names[one.id]} {fate(plans.get(one.id))}" for one in news.recipes]
    leaving = {each.instance_id: each for one in wanted for each in plans[one.id].leaving}
    told += ["", *(f"{line(each.name)} leaves: {line(each.why)}." for each in leaving.values())] if leaving else []
    if not wanted:
        app.say("; ".join(row.strip() for row in told))
        return
    count = f"{len(wanted)} models" if len(wanted) > 1 else names[wanted[0].id]
    text = "\n".join([f"Launch {count}?", "", *told])
    app.ask(f"Launch {count}", text, "Launch", lambda: _each(
        app, [(one.id, names[one.id]) for one in wanted], lambda client, name: client.launch(name), "launch asked for",
    ))


def fate(plan: wire.LaunchPlan | None) -> str:
    if plan is None:
        return "is gone"
    about = f"starts in about {load(plan.expected_s)}" if plan.expected_s is not None else "starts"
    return WORDS.get(plan.outcome, about) + (" \u00b7 probably too large" if plan.fits is False else "")


def delete(app: StudioApp, wish: wanted.Delete) -> None:
    names = [line(name) for _, name in wish.recipes]
    what = f"the recipe {names[0]}" if len(names) == 1 else f"{len(names)} recipes"
    listed = "" if len(names) == 1 else "\n\n" + "\n".join(f"  {name}" for name in names)
    text = f"Delete {what}? Its model's files stay; its settings are gone.{listed}"
    app.ask(f"Delete {what}", text, "Delete", lambda: _each(
        app, list(zip((one for one, _ in wish.recipes), names, strict=True)),
        lambda client, name: client.delete_recipe(name), "deleted",
    ))


def _each(
    app: StudioApp, recipes: Sequence[tuple[str, str]], act: Callable[[Client, str], object], done: str,
) -> None:
    """One after the other. What did not work keeps nobody from the rest, and is told with what did."""
    def job(client: Client) -> message.Said | None:
        good: list[str] = []
        failed: list[StudioError] = []
        for recipe_id, name in recipes:
            try:
                act(client, recipe_id)
                good.append(name)
            except StudioError as error:
                failed.append(error)
        told = f"{', '.join(good)}: {done}" if good else ""
        if failed:
            rest = [one.line() for one in failed[1:]]
            raise type(failed[0])(failed[0].title, "\n".join(filter(None, [failed[0].detail, *rest, told])), failed[0].hint)
        return message.Said(told)

    app.bridge.ask(app, job)
