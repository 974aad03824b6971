"""Every action, fired with its key in its context, does something that can be seen: a request, a message, another screen."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from textual.widgets import TextArea

from studio_core import wire
from studio_tui import action, keymap
from tests.tui import scene
from tests.tui.opened import Opened, opened, stage_in
from tests.tui.stage import Stage
from tests.wait import eventually

# The keys that lead from the dashboard to where a context's keys hold; a word after `=` has to be on the screen first.
WAYS: dict[str, str] = {
    "app": "1",
    "dashboard": "1",
    "recipes": "2 escape escape home",
    "table": "2 home",
    "logs": "3 escape escape enter =idle",
    "view": "3 =idle end",
    "chat": "4 =smollm2 escape ctrl+n escape",
    "usage": "5",
    "models": "6",
    "bench": "8",
    "system": "9",
    "help": "1 question_mark",
    "paste": "2 i",
    "menu": "2 a",
    "recipe": "2 e",
    "unsaved": "2 e down down down enter escape",
    "command": "2 x",
    "switcher": "1 m",
    "notices": "1 exclamation_mark",
    "jump": "2 ctrl+o",
    "record": "2 tilde",
    "servers": "1 at",
    "name": "2 end enter",
    "form": "9 right_square_bracket enter",
    "secret": "9 right_square_bracket right_square_bracket n b o t enter enter",
    "dialog": "2 s",
}
# Every action, and what has to be done before it in its context finds something to do.
BEFORE: dict[str, str] = {
    "app.dashboard": "2", "app.recipes": "", "app.logs": "", "app.chat": "", "app.usage": "", "app.models": "", "app.mcp": "",
    "app.bench": "", "app.system": "", "app.switch": "", "app.help": "", "app.manual": "", "app.palette": "", "app.theme": "",
    "app.maximise": "2", "app.jump": "2", "app.record": "",
    "app.mouse": "", "app.notices": "", "app.servers": "", "app.leave": "", "app.quit": "",
    "dashboard.span": "", "dashboard.log": "",
    "recipes.launch": "", "recipes.stop": "", "recipes.fix": "down down down", "recipes.logs": "", "recipes.edit": "",
    "recipes.text": "", "recipes.new": "", "recipes.copy": "", "recipes.more": "", "recipes.filter": "", "recipes.sort": "",
    "recipes.reverse": "", "recipes.mark": "", "recipes.back": "space", "recipes.command": "", "recipes.curl": "",
    "recipes.pin": "", "recipes.delete": "", "recipes.paste": "",
    "logs.open": "escape", "logs.back": "", "logs.find": "", "logs.filter": "", "logs.next_match": "", "logs.previous_match": "",
    "logs.follow": "up", "logs.levels": "", "logs.wrap": "", "logs.times": "", "logs.regex": "", "logs.case": "", "logs.copy": "",
    "logs.save": "", "logs.file": "", "logs.previous": "right_square_bracket", "logs.next": "",
    "chat.new": "left_square_bracket =Primes", "chat.write": "", "chat.stop": "i", "chat.copy": "left_square_bracket =primes",
    "chat.rename": "left_square_bracket =Primes", "chat.delete": "left_square_bracket =Primes",
    "chat.copy_code": "left_square_bracket =primes", "chat.thoughts": "left_square_bracket =thought",
    "chat.page_up": "left_square_bracket =thought", "chat.page_down": "left_square_bracket =thought g", "chat.previous": "",
    "chat.next": "",
    "system.next": "", "system.previous": "", "system.edit": "right_square_bracket", "system.make": "right_square_bracket " * 2,
    "system.remove": "right_square_bracket", "system.restart": "", "system.refresh": "",
    "usage.cancel": "", "usage.refresh": "",
    "table.up": "down", "table.down": "", "table.first": "down", "table.last": "", "table.page_up": "end", "table.page_down": "",
    "view.up": "", "view.down": "g", "view.left": "right", "view.right": "", "view.first": "", "view.last": "g",
    "view.page_up": "", "view.page_down": "g",
    "help.close": "", "paste.close": "",
    "models.new": "", "models.recipe": "", "models.refresh": "", "bench.refresh": "",
    "menu.choose": "", "menu.close": "",
    "recipe.edit": "down", "recipe.clear": "down", "recipe.save": "down backspace", "recipe.close": "",
    "unsaved.save": "", "unsaved.discard": "", "unsaved.stay": "",
    "command.copy": "", "command.close": "",
    "switcher.up": "down", "switcher.down": "", "switcher.page_up": "pagedown", "switcher.page_down": "", "switcher.close": "",
    "notices.close": "", "jump.close": "", "record.copy": "", "record.close": "",
    "servers.choose": "down", "servers.close": "", "name.close": "",
    "form.store": "", "form.close": "",
    "secret.copy": "", "secret.close": "",
    "dialog.accept": "", "dialog.refuse": "",
}
SIZE = (64, 24)
# What is asked again and again by itself.
POLLED = ("/gpus", "/recipes", "/status", "/samples")
# Time passes by itself.
PASSING = re.compile(r"\d+ (?=[smhd]\b)|\d\d:\d\d:\d\d")
# A room in which nothing is alive, and where a part stays open that would be in the next action's way.
BARE = "mcp"
LASTING = {"system": "system", "form": "system", "secret": "system"}


def filled(folder: Path) -> Stage:
    stage = stage_in(folder)
    scene.busy(stage)
    stage.status.foreign = [wire.Foreign(pid=7001, ticks=1, name="by-hand", engine="vllm", owner="ada", port=9001, state="ready")]
    stage.models = wire.ModelFiles(models=[wire.ModelFile("SmolLM2.gguf", "/models/SmolLM2.gguf", recipe_ids=["smollm2"])])
    stage.peaks = {"metrics": [{"model_id": "smollm2", "generation_tps": 61.0}]}
    stage.logs["smollm2-1"].append(f"{'wide ' * 30}: all slots are idle")
    stage.chats["c1"].messages[-1].reasoning = "three of them will do"
    stage.recipes[0].recipe["name"] = "SmolLM2 135M"
    (stage.places.root / "studio.yaml").write_text("servers: [{name: lab, url: 'http://127.0.0.1:9', key_file: ''}]\n")
    return stage


def seen(shown: Opened, exits: list[Any]) -> tuple[Any, ...]:
    app = shown.app
    asked = [one for one in shown.stage.asked if one[1] not in POLLED]
    focus = getattr(app.focused, "id", None)
    return PASSING.sub("", shown.text), len(asked), app.theme, type(app.screen).__name__, focus, len(exits), app.screen.maximized


def differs(shown: Opened, exits: list[Any], before: tuple[Any, ...]) -> bool:
    return seen(shown, exits) != before


async def still(shown: Opened, exits: list[Any]) -> tuple[Any, ...]:
    """What is seen when everything that was known has been drawn."""
    await shown.still()
    return seen(shown, exits)


async def walk(shown: Opened, way: str) -> None:
    for step in way.split():
        if step.startswith("="):
            await shown.shows(step[1:])
        else:
            await shown.press(step)


async def back(shown: Opened, context: str) -> None:
    """Nothing is open; the room that keeps what was done in it is as it is after a first start."""
    app = shown.app
    while len(app.screen_stack) > 1:
        await app.pop_screen()
    if app.screen.maximized is not None:
        app.screen.minimize()
    room = LASTING.get(context, "")
    if room or isinstance(app.focused, TextArea):
        await app.action_show(BARE)
    if room and app.rooms.mode(room) in app._screen_stacks:
        app.rooms.memory.server(app.bridge.settings.url)["rooms"].pop(room, None)
        await app.remove_mode(app.rooms.mode(room))
        app.add_mode(app.rooms.mode(room), partial(app.rooms.open, room))
    app.clear_notifications()


def test_every_action_has_a_row() -> None:
    assert BEFORE.keys() == {one.id for one in action.TABLE}
    assert WAYS.keys() == {one.context for one in action.TABLE}


@pytest.mark.parametrize("context", WAYS)
async def test_every_action_does_something(tmp_path: Path, context: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDITOR", "true")
    silent: list[str] = []
    exits: list[Any] = []
    async with opened(filled(tmp_path), SIZE) as shown:
        monkeypatch.setattr(shown.app, "exit", lambda *told, **named: exits.append((told, named)))
        for one in action.of(context):
            await back(shown, context)
            await walk(shown, f"{WAYS[context]} {BEFORE[one.id]}")
            await fires(shown, one.id)
            before = await still(shown, exits)
            await shown.press(keymap.standard()[one.id].split(",")[0].strip())
            if not await within(partial(differs, shown, exits, before)):
                silent.append(one.id)
    assert silent == [], "nothing is seen of them"


async def fires(shown: Opened, name: str) -> None:
    def bound() -> bool:
        # A widget may have the key too and pass it on.
        chain = shown.app.screen._modal_binding_chain
        return any(binding.id == name for _, bindings in chain for _, binding in bindings)

    assert await within(bound), f"{name} cannot be fired here:\n{shown.text}"


async def within(predicate: Callable[[], bool | Awaitable[bool]]) -> bool:
    try:
        await eventually(predicate, 10.0)
    except AssertionError:
        return False
    return True


async def test_a_key_of_no_action_does_nothing(tmp_path: Path) -> None:
    """The measure itself: what it sees is not the passing of time."""
    async with opened(filled(tmp_path), SIZE) as shown:
        await walk(shown, "2 =RECIPE")
        before = await still(shown, [])
        await shown.press("f12")
        await shown.pilot.pause(1.2)
        assert seen(shown, []) == before
