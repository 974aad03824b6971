"""Launch, stop, and the change that a failure calls for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from studio_core import wire
from studio_core.text import line
from studio_tui import unit, wanted
from studio_tui.listing import load

if TYPE_CHECKING:
    from studio_tui.app import StudioApp


def launch(app: StudioApp, wish: wanted.Launch) -> None:
    app.bridge.launch(wish.recipe_id, wish.name)


def displaces(app: StudioApp, news: wanted.Displaces) -> None:
    """Who leaves, why, how long; Enter goes on."""
    insists = news.plan.outcome == "pinned"
    app.ask(
        f"Launch {line(news.name)}", displacement(news.name, news.plan), "Insist" if insists else "Launch",
        lambda: app.bridge.launch(news.plan.recipe_id, news.name, sure=True, force=insists),
    )


def displacement(name: str, plan: wire.LaunchPlan) -> str:
    lines = []
    for one in plan.leaving:
        lines.append(f"{line(one.name)} leaves: {line(one.why)}." + (" It is pinned." if one.pinned else ""))
        if one.running:
            end = "are cut off" if plan.outcome == "pinned" else f"are let end first, for {unit.age(plan.drain_s)} at most"
            lines.append(f"  {one.running} requests in flight {end}.")
    lines += [f"The launch of {line(each)} is ended." for each in plan.supersedes if each != plan.recipe_id]
    about = f" in about {load(plan.expected_s)}" if plan.expected_s is not None else "; how long it takes is not known yet"
    lines += ["", f"{line(name)} then {'wakes' if plan.outcome == 'wakes' else 'starts'}{about}."]
    if plan.needs_bytes is not None and plan.free_bytes is not None:
        least = "at least " if plan.source == "files" else ""
        lines.append(f"It needs {least}{unit.size(plan.needs_bytes)} of {unit.size(plan.free_bytes)} that are then free.")
    if plan.fits is False:
        lines.append("That is too little: it will probably fail.")
    return "\n".join(lines)


def switch(app: StudioApp, wish: wanted.Switch) -> None:
    from studio_tui.screens.switcher import Switcher

    app.push_screen(Switcher(app.bridge, app.known))


def stop(app: StudioApp, wish: wanted.Stop) -> None:
    name, stops = line(wish.name), wish.instance_id is not None
    text = f"Stop the model {name}? Requests in flight are let end first." if stops else f"Cancel the launch of {name}?"

    def decided() -> None:
        app.bridge.stop_model(wish.recipe_id, wish.instance_id)
        app.say(f"{name}: {'stop' if stops else 'cancel'} asked for")

    app.ask(f"Stop {name}", text, "Stop" if stops else "Cancel it", decided)


def stop_many(app: StudioApp, wish: wanted.StopMany) -> None:
    names = [line(one.name) for one in wish.stops]

    def decided() -> None:
        for one in wish.stops:
            app.bridge.stop_model(one.recipe_id, one.instance_id)
        app.say(f"{', '.join(names)}: stop asked for")

    text = "\n".join([f"Stop {len(names)} models? Requests in flight are let end first.", "", *(f"  {name}" for name in names)])
    app.ask(f"Stop {len(names)} models", text, "Stop them", decided)


def fix(app: StudioApp, wish: wanted.Fix) -> None:
    text = "\n".join([f"{line(wish.title)}:", "", *map(line, wish.lines)])
    app.ask(f"Change the recipe {line(wish.name)}", text, "Store it", lambda: app.bridge.fix(wish.recipe_id, wish.title))
