"""Launch, stop, and the change that a failure calls for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from studio_core.text import line
from studio_tui import message

if TYPE_CHECKING:
    from studio_tui.app import StudioApp


def launch(app: StudioApp, wish: message.Launch) -> None:
    app.bridge.launch(wish.recipe_id)
    app.say(f"{line(wish.name)}: launch asked for")


def stop(app: StudioApp, wish: message.Stop) -> None:
    name, stops = line(wish.name), wish.instance_id is not None
    text = f"Stop the model {name}? Requests in flight are let end first." if stops else f"Cancel the launch of {name}?"

    def decided() -> None:
        app.bridge.stop_model(wish.recipe_id, wish.instance_id)
        app.say(f"{name}: {'stop' if stops else 'cancel'} asked for")

    app.ask(f"Stop {name}", text, "Stop" if stops else "Cancel it", decided)


def fix(app: StudioApp, wish: message.Fix) -> None:
    text = "\n".join([f"{line(wish.title)}:", "", *map(line, wish.lines)])
    app.ask(f"Change the recipe {line(wish.name)}", text, "Store it", lambda: app.bridge.fix(wish.recipe_id, wish.title))
