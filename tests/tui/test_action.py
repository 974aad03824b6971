"""Actions and keys: every id has one key, one method, one place in help and palette; the user's file is checked."""

from __future__ import annotations

import inspect
from importlib import import_module
from pathlib import Path

import pytest

from studio_core.errors import BadSetting
from studio_tui import action, keymap
from studio_tui.app import StudioApp
from studio_tui.room import ROOMS
from tests.guards.source import ROOT
from tests.tui.opened import filled, opened

README = (ROOT / "README.md").read_text(encoding="utf-8")
HOLDERS = {
    "dashboard": "screens.dashboard:Dashboard", "recipes": "screens.recipes:Recipes", "logs": "screens.logs:Logs",
    "chat": "screens.chat:Chat", "usage": "screens.usage:Usage", "table": "widgets.table:Table", "view": "widgets.log_view:LogView",
    "paste": "screens.paste:Paste", "switcher": "screens.switcher:Switcher",
    "recipe": "screens.recipe_form:RecipeForm", "unsaved": "screens.unsaved:Unsaved",
    "menu": "screens.menu:Menu", "models": "screens.models:Models", "bench": "screens.bench:Bench",
    "command": "screens.command:CommandPage", "name": "screens.named:Named",
    "dialog": "screens.confirm:Confirm", "help": "screens.help:Help",
    "servers": "screens.servers:Servers",
    "system": "screens.system:System", "form": "screens.form:Form", "secret": "screens.secret:Secret",
    "notices": "screens.notices:Notices", "jump": "screens.jump:Jump", "record": "screens.record:CommandLog",
}


def test_ids_are_unique_and_the_shipped_keymap_names_each_of_them() -> None:
    ids = [one.id for one in action.TABLE]
    assert len(set(ids)) == len(ids)
    assert set(keymap.standard()) == set(ids)


@pytest.mark.parametrize("one", action.TABLE, ids=lambda one: one.id)
def test_an_action_has_a_method_in_its_context(one: action.Action) -> None:
    name = one.call.removeprefix("app.").partition("(")[0]
    holder: type = StudioApp
    if one.context != "app":
        module, _, kind = HOLDERS[one.context].partition(":")
        holder = getattr(import_module(f"studio_tui.{module}"), kind)
    assert inspect.isfunction(getattr(holder, f"action_{name}"))


def test_no_two_actions_of_one_context_share_a_key() -> None:
    for context in {one.context for one in action.TABLE}:
        keys = [key for one in action.of(context) for key in keymap.standard()[one.id].split(",")]
        assert len(set(keys)) == len(keys), context


def test_nothing_needs_a_key_that_terminals_swallow() -> None:
    swallowed = {"ctrl+b", "ctrl+a", "ctrl+s", "ctrl+z", "ctrl+c", "ctrl+d", "ctrl+i", "ctrl+m", "ctrl+enter", "tab"}
    for keys in keymap.standard().values():
        assert set(keys.split(",")) - swallowed


async def test_help_tells_what_can_be_done_here(tmp_path: Path) -> None:
    async with opened(filled(tmp_path), (120, 80)) as shown:
        await shown.press("2", "question_mark")
        await shown.shows("Recipes", "launch the selected recipe", "In a table", "Everywhere", "leave; engines go on")
        assert "search; n and N" not in shown.text
        await shown.press("q")
        await shown.hides("Everywhere")


async def test_help_reads_in_a_narrow_terminal_and_scrolls_by_letters(tmp_path: Path) -> None:
    async with opened(filled(tmp_path), (60, 20)) as shown:
        await shown.press("4", "escape", "question_mark")
        await shown.shows("stop the answer, or leave the")
        lines = shown.text.splitlines()
        at = next(at for at, text in enumerate(lines) if "stop the answer, or leave the" in text)
        assert lines[at + 1].index("input") == lines[at].index("stop")
        await shown.pilot.resize_terminal(44, 20)
        await shown.shows("or leave the  ")
        await shown.still()
        await shown.press("G")
        await shown.shows("Engines go on when you")
        await shown.press("g")
        await shown.shows("begin a chat")


async def test_the_palette_runs_an_action_of_the_screen_below(tmp_path: Path) -> None:
    stage = filled(tmp_path)
    async with opened(stage, (120, 40)) as shown:
        await shown.press("2", "ctrl+p")
        await shown.shows("Launch the selected recipe", "recipes.launch")
        await shown.press(*"stop its")
        await shown.shows("Stop its model or cancel")
        await shown.press("enter")
        await shown.shows("Stop the model SmolLM2 135M?")


async def test_the_palette_has_a_line_for_each_action_in_a_small_terminal(tmp_path: Path) -> None:
    async with opened(filled(tmp_path), (60, 20)) as shown:
        await shown.press("2", "ctrl+p")
        await shown.shows("s         Stop its model", "o         Sort by the next column")
        await shown.press(*"recipes.pin")
        await shown.shows("p         Pin: keep it above")


async def test_every_place_is_in_the_palette(tmp_path: Path) -> None:
    async with opened(filled(tmp_path), (120, 60)) as shown:
        await shown.press("ctrl+p")
        await shown.shows(*(f"{digit}         {room.title}" for digit, room in enumerate(ROOMS.values(), 1)))


async def test_dark_and_light(tmp_path: Path) -> None:
    async with opened(filled(tmp_path)) as shown:
        before = shown.app.theme
        await shown.press("ctrl+t")
        assert shown.app.theme != before
        await shown.shows("38 %")


def test_a_user_changes_one_key(tmp_path: Path) -> None:
    (tmp_path / "keymap.yaml").write_text("# mine\nrecipes.stop: x\n")
    assert keymap.own(tmp_path) == {"recipes.stop": "x"}
    assert keymap.own(tmp_path / "nowhere") == {}


@pytest.mark.parametrize(("text", "told"), [
    ("recipes.fly: x", "unknown action recipes.fly"),
    ("recipes.stop", "is no `action: keys`"),
    ("recipes.stop:", "is no `action: keys`"),
])
def test_a_broken_keymap_is_refused_in_words(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "keymap.yaml").write_text(text)
    with pytest.raises(BadSetting) as caught:
        keymap.own(tmp_path)
    assert told in caught.value.line() and "line 1" in caught.value.line()


async def test_the_changed_key_holds_and_is_shown(tmp_path: Path) -> None:
    stage = filled(tmp_path)
    (stage.places.root / "keymap.yaml").write_text("recipes.stop: x\n")
    async with opened(stage) as shown:
        await shown.press("2", "s")
        await shown.shows("x Stop")
        await shown.press("x")
        await shown.shows("Stop the model SmolLM2 135M?")


def test_a_widget_never_reaches_for_the_app() -> None:
    folder = Path(inspect.getfile(StudioApp)).parent / "widgets"
    for path in folder.glob("*.py"):
        assert "self.app." not in path.read_text(encoding="utf-8"), path.name


@pytest.mark.parametrize("one", action.TABLE, ids=lambda one: one.id)
def test_the_readme_tells_of_an_action(one: action.Action) -> None:
    keys = ", ".join(f"`{key}`" for key in keymap.spelled(keymap.standard()[one.id]).split(", "))
    assert f"| `{one.id}` | {keys} | {one.doc} |" in README
