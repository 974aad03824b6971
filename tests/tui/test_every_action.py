"""Actions, fired with their keys in their context, do something that can be seen: a request, a message, or another screen."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from studio_core import wire
from studio_tui import action, keymap
from tests.tui import scene
from tests.tui.opened import Opened, opened, stage_in
from tests.tui.stage import Stage
from tests.wait import eventually

# The keys that lead from the dashboard to where a context's keys hold. Contexts that are not here have tests of their own.
WAYS: dict[str, tuple[str, ...]] = {
    "app": (),
    "dashboard": ("1",),
    "recipes": ("2",),
    "table": ("2",),
    "system": ("9",),
    "help": ("question_mark",),
    "paste": ("2", "i"),
}
# What has to be done before an action finds something to do.
BEFORE: dict[str, tuple[str, ...]] = {
    "app.dashboard": ("2",), "table.up": ("down",), "table.first": ("down",), "table.page_up": ("end",), "table.last": ("home",),
    "recipes.back": ("space",), "recipes.fix": ("down", "down", "down"), "system.edit": ("right_square_bracket",),
    "system.remove": ("right_square_bracket",), "system.make": ("right_square_bracket", "right_square_bracket"),
}
# Rooms of which a part or a field stays open; the keys of WAYS count from the beginning.
ANEW = frozenset({"system", "recipes"})
SIZE = (64, 24)
# Time passes by itself.
PASSING = re.compile(r"\d+ (?=[smhd]\b)|\d\d:\d\d:\d\d")


def filled(folder: Path) -> Stage:
    stage = stage_in(folder)
    scene.busy(stage)
    stage.status.foreign = [wire.Foreign(pid=7001, ticks=1, name="by-hand", engine="vllm", owner="ada", port=9001, state="ready")]
    (stage.places.root / "studio.yaml").write_text("servers: [{name: lab, url: 'http://127.0.0.1:9', key_file: ''}]\n")
    return stage


def seen(shown: Opened, exits: list[Any]) -> tuple[Any, ...]:
    app = shown.app
    asked = [one for one in shown.stage.asked if one[1] not in ("/gpus", "/recipes", "/status")]
    focus = getattr(app.focused, "id", None)
    return PASSING.sub("", shown.text), len(asked), app.theme, type(app.screen).__name__, focus, len(exits), app.screen.maximized


async def home(shown: Opened) -> None:
    """Back in the first room, with nothing open."""
    app = shown.app
    while len(app.screen_stack) > 1:
        await app.pop_screen()
    if app.screen.maximized is not None:
        app.screen.minimize()
    app.clear_notifications()
    await app.action_show("dashboard")


@pytest.mark.parametrize("context", WAYS)
async def test_every_action_does_something(tmp_path: Path, context: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = action.of(context)
    # What stays open in a room would be in the next action's way: there each action has an app of its own.
    groups = [[one] for one in found] if context in ANEW else [list(found)]
    silent: list[str] = []
    for at, group in enumerate(groups):
        folder = tmp_path / str(at)
        folder.mkdir()
        exits: list[Any] = []
        async with opened(filled(folder), SIZE) as shown:
            monkeypatch.setattr(shown.app, "exit", lambda *told, exits=exits, **named: exits.append((told, named)))
            silent += [one.id for one in group if not await fired(shown, one.id, WAYS[context], exits)]
    assert silent == [], "nothing is seen of them"


async def fired(shown: Opened, name: str, way: tuple[str, ...], exits: list[Any]) -> bool:
    await home(shown)
    await shown.press(*way)
    if name not in BEFORE:
        await fires(shown, name)
    await shown.press(*BEFORE.get(name, ()))
    await fires(shown, name)
    before = seen(shown, exits)
    await shown.press(keymap.standard()[name].split(",")[0].strip())
    return await changes(shown, exits, before)


async def fires(shown: Opened, name: str) -> None:
    def bound() -> bool:
        return any(one.binding.id == name for one in shown.app.screen.active_bindings.values())

    await eventually(bound, what=f"{name} can be fired")


async def changes(shown: Opened, exits: list[Any], before: tuple[Any, ...]) -> bool:
    try:
        await eventually(lambda: seen(shown, exits) != before, 3.0)
    except AssertionError:
        return False
    return True


async def test_a_key_of_no_action_does_nothing(tmp_path: Path) -> None:
    """The measure itself: what it sees is not the passing of time."""
    async with opened(filled(tmp_path), SIZE) as shown:
        await shown.press("2")
        await shown.shows("RECIPE")
        await shown.pilot.pause(0.3)
        before = seen(shown, [])
        await shown.press("f12")
        await shown.pilot.pause(1.2)
        assert seen(shown, []) == before
