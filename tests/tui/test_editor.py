"""A recipe in the person's editor, on a real terminal: whatever comes of it, no word that was written is lost."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.terminal import Window
from tests.tui import scene
from tests.tui.opened import stage_in
from tests.tui.stage import Stage
from tests.wait import wait_until

EDITOR = Path(__file__).with_name("hand_editor.py")
# A first frame and an app, on a machine with other work.
START_S = 40.0
FIELDS = {"id": "one", "name": "First", "model_path": "/models/one.gguf", "backend": "llamacpp", "max_model_len": 8192}


class Desk:
    """The app at its recipes, its editor, and the folder in which texts are kept."""

    def __init__(self, stage: Stage, window: Window, folder: Path) -> None:
        self.stage, self.window, self.kept, self._plan = stage, window, folder / "tmp", folder / "plan"

    def edit(self, plan: str) -> None:
        """Open it in the editor, and let that do as it is told."""
        self._plan.write_text(plan)
        self.window.until("\u2500 Recipes \u2500")
        self.window.send("E")
        self.window.until("EDITOR HAS")
        self.window.send("x")

    @property
    def texts(self) -> list[str]:
        """What is kept."""
        return [one.read_text() for one in self.kept.glob("*/*.yaml")]

    @property
    def stored(self) -> list[dict[str, object]]:
        return [body for verb, _, body in self.stage.asked if verb == "PUT"]

    def back(self) -> None:
        """The whole screen is the app's again."""
        screen = self.window.until("\u2500 Recipes \u2500")
        assert "EDITOR HAS" not in screen and " Studio " in screen


@pytest.fixture
def stage(state_dir: Path) -> Iterator[Stage]:
    stage = stage_in(state_dir)
    stage.recipes = [scene.recipe("one", "First", recipe=dict(FIELDS))]
    stage.start()
    yield stage
    stage.stop()


@pytest.fixture
def desk(stage: Stage, tmp_path: Path) -> Iterator[Desk]:
    (tmp_path / "tmp").mkdir()
    env = {**os.environ, "EDITOR": f"{sys.executable} {EDITOR} {tmp_path}/plan", "TMPDIR": str(tmp_path / "tmp")}
    env.pop("VISUAL", None)
    argv = [sys.executable, "-m", "studio_tui", "--data-dir", str(stage.places.root)]
    with Window(argv, env, columns=100, rows=30) as window:
        window.until("REQUESTS", START_S)
        window.send("2")
        window.until("\u25b8 First", START_S)
        yield Desk(stage, window, tmp_path)
        window.send("\x11")
        assert window.ended() == 0


def test_what_is_saved_is_shown_asked_and_stored(desk: Desk) -> None:
    desk.edit("replace 8192 -> 4096")
    desk.window.until("max_model_len: 4096")
    desk.back()
    desk.window.send("y")
    desk.window.until("one stored, version 2")
    assert desk.stored[0]["max_model_len"] == 4096 and desk.stored[0]["version"] == 1
    wait_until(lambda: desk.texts == [], what="nothing is left over")


def test_what_is_not_changed_is_not_stored(desk: Desk) -> None:
    desk.edit("nothing")
    desk.window.until("one was not changed")
    desk.back()
    assert desk.stored == [] and desk.texts == []


def test_who_does_not_want_it_after_all_keeps_the_text(desk: Desk) -> None:
    desk.edit("replace 8192 -> 4096")
    desk.window.until("Store it (y)")
    desk.window.send("n")
    desk.window.until("your text is kept in")
    assert desk.stored == [] and ["4096" in one for one in desk.texts] == [True]


def test_a_broken_text_is_edited_again_where_it_is(desk: Desk) -> None:
    desk.edit("write id: [one\n")
    desk.window.until("Edit it again (y)")
    assert desk.texts == ["id: [one\n"]
    desk._plan.write_text("write id: one\nname: First\nbackend: llamacpp\nmodel_path: /models/two.gguf\n")
    desk.window.send("y")
    desk.window.until("EDITOR HAS")
    desk.window.until("id: [one")
    desk.window.send("x")
    desk.window.until("model_path: /models/two.gguf")
    desk.window.send("y")
    desk.window.until("one stored, version 2")


def test_a_broken_text_is_kept(desk: Desk) -> None:
    desk.edit("write model_path: [\n")
    desk.window.until("Edit it again (y)")
    desk.window.send("n")
    desk.window.until("not stored; your text is kept in")
    assert desk.stored == [] and desk.texts == ["model_path: [\n"]


def test_an_editor_that_gives_up_stores_nothing_and_keeps_the_text(desk: Desk) -> None:
    desk.edit("exit 3")
    shown = desk.window.until("ended with 3")
    assert "nothing was stored" in shown and len(desk.texts) == 1 and desk.stored == []
    desk.back()


def test_what_somebody_else_stored_meanwhile_is_shown_first(desk: Desk) -> None:
    desk.edit("replace 8192 -> 4096")
    desk.window.until("Store it (y)")
    other = desk.stage.recipes[0]
    other.recipe, other.version = {**FIELDS, "name": "Renamed"}, 2
    desk.window.send("y")
    shown = desk.window.until("Somebody changed it meanwhile")
    assert re.search(r"Renamed", shown) and other.recipe["max_model_len"] == 8192
    desk.window.send("n")
    desk.window.until("your text is kept in")
    assert ["4096" in one for one in desk.texts] == [True] and other.version == 2


def test_over_what_somebody_else_stored_when_one_says_so(desk: Desk) -> None:
    desk.edit("replace 8192 -> 4096")
    desk.window.until("Store it (y)")
    other = desk.stage.recipes[0]
    other.recipe, other.version = {**FIELDS, "name": "Renamed"}, 2
    desk.window.send("y")
    desk.window.until("Somebody changed it meanwhile")
    desk.window.send("y")
    desk.window.until("one stored, version 3")
    assert desk.stage.recipes[0].recipe["max_model_len"] == 4096 and desk.texts == []


def test_an_editor_that_is_not_there_is_said(stage: Stage, tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "studio_tui", "--data-dir", str(stage.places.root)]
    with Window(argv, {**os.environ, "VISUAL": "/nowhere/ed"}, columns=100, rows=30) as window:
        window.until("REQUESTS", START_S)
        window.send("2")
        window.until("\u25b8 First", START_S)
        window.send("E")
        assert "set EDITOR" in window.until("ed could not be started")
