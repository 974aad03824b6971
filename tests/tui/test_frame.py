"""The frame around all rooms: the bar, the way back and out, the alert, and the mode in which nothing is changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from studio_core.errors import Denied
from studio_tui import action
from tests.tui import scene
from tests.tui.opened import Opened, opened, stage_in
from tests.tui.stage import Stage
from tests.wait import eventually

SIZES = [(60, 20), (80, 24), (120, 40), (200, 60)]


def filled(folder: Path, **given: object) -> Stage:
    stage = stage_in(folder)
    scene.busy(stage)
    stage.given = given
    return stage


def bar(shown: Opened) -> str:
    return shown.text.splitlines()[0]


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
async def test_the_bar_names_the_room_and_the_host_at_every_width(
    tmp_path: Path, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "gpu1")
    async with opened(filled(tmp_path), size) as shown:
        await shown.press("2")
        await shown.shows("2 Recipes")
        assert bar(shown).rstrip().endswith("gpu1") and "smol" in bar(shown).lower()
        shown.stage.stop()
        await eventually(lambda: "gpu1 \u25d0 reconnecting" in bar(shown) or "gpu1 \u25d0" in bar(shown))


async def test_a_lost_controller_is_said_in_time_and_nothing_is_lost(tmp_path: Path) -> None:
    stage = filled(tmp_path)
    async with opened(stage) as shown:
        await shown.press("2", "down", "down")
        await shown.shows("\u25b8 Llama 3.3 70B")
        stage.stop()
        await eventually(lambda: "Studio does not answer" in shown.text, what="the loss is said")
        await shown.shows("below is what was last heard", "\u25b8 Llama 3.3 70B")
        stage.start()
        await shown.hides("Studio does not answer")
        await shown.shows("\u25b8 Llama 3.3 70B")


async def test_q_goes_back_before_it_leaves(tmp_path: Path) -> None:
    async with opened(filled(tmp_path)) as shown:
        await shown.press("question_mark")
        await shown.shows("Everywhere")
        await shown.press("q")
        await shown.hides("Everywhere")
        assert shown.app.is_running
        await shown.press("q")
        await eventually(lambda: not shown.app.is_running)
        assert "engines go on" in str(shown.app._exit_renderables)


async def test_leaving_works_from_a_question_and_from_a_field(tmp_path: Path) -> None:
    async with opened(filled(tmp_path)) as shown:
        await shown.press("2", "s")
        await shown.shows("Stop the model")
        await shown.press("f1")
        await shown.shows("In a question")
        await shown.press("ctrl+q")
        await eventually(lambda: not shown.app.is_running)
        assert "engines go on" in str(shown.app._exit_renderables)


async def test_a_panel_takes_the_whole_screen_and_gives_it_back(tmp_path: Path) -> None:
    async with opened(filled(tmp_path)) as shown:
        await shown.press("2")
        await shown.shows("engine pid")
        await shown.press("z")
        await shown.hides("engine pid")
        await shown.press("z")
        await shown.shows("engine pid")


async def test_in_read_only_mode_what_changes_something_does_not_exist(tmp_path: Path) -> None:
    stage = filled(tmp_path, read_only=True)
    changing = [one for one in action.TABLE if one.changes]
    async with opened(stage, (120, 40)) as shown:
        assert "read only" in bar(shown)
        for room in ("1", "2", "3", "4", "5", "9"):
            await shown.press(room)
            ids = {one.binding.id for one in shown.app.screen.active_bindings.values()}
            assert not ids & {one.id for one in changing}
        await shown.press("2")
        await shown.shows("l Log")
        assert "Launch" not in shown.text.splitlines()[-1]
        await shown.press("question_mark")
        await shown.shows("show the log of its newest start")
        assert not [one.doc for one in changing if one.doc in shown.text]
        await shown.press("q", "ctrl+p", *"launch")
        await shown.shows("app.recipes")
        assert "recipes.launch" not in shown.text
        await shown.press("escape", "enter", "s", "f", "i")
        assert not [verb for verb, *_ in stage.asked if verb != "GET"]


async def test_a_read_only_client_cannot_change_anything(tmp_path: Path) -> None:
    stage = filled(tmp_path, read_only=True)
    async with opened(stage) as shown:
        with pytest.raises(Denied):
            shown.app.bridge._client().launch("smollm2")
        assert shown.app.bridge._client().status().instances
        assert not [verb for verb, *_ in stage.asked if verb != "GET"]


async def test_another_server_is_driven_and_back(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir(mode=0o700)
    there.mkdir(mode=0o700)
    (here / "lab.key").write_text("sk-lab\n")
    far = stage_in(there)
    scene.busy(far)
    far.recipes = far.recipes[:1]
    far.recipes[0].name = "Only there"
    port = far.start_tcp()
    (here / "studio.yaml").write_text(f"servers:\n  - {{name: lab, url: 'http://127.0.0.1:{port}', key_file: {here}/lab.key}}\n")
    async with opened(filled(here), (100, 30)) as shown:
        await shown.press("2", "at")
        await shown.shows("Servers", "this machine", "driven", "lab")
        await shown.press("down", "enter")
        await shown.shows("Only there", f"127.0.0.1:{port}")
        await shown.hides("Mistral Small")
        assert set(far.keys) == {"Bearer sk-lab"}
        await shown.press("at", "up", "enter")
        await shown.shows("Mistral Small")
        await shown.hides("Only there")
    far.stop()


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
async def test_help_and_the_way_out_are_in_the_last_line_of_every_room(tmp_path: Path, size: tuple[int, int]) -> None:
    async with opened(filled(tmp_path), size) as shown:
        for digit in "12356789":  # In the chat one writes: there letters are no keys.
            await shown.press(digit)
            await eventually(lambda: "? Help" in last(shown) and "q Quit" in last(shown), what=f"room {digit}")


async def test_a_wider_terminal_shows_more_keys(tmp_path: Path) -> None:
    async with opened(filled(tmp_path), (60, 20)) as shown:
        await shown.press("3")
        await eventually(lambda: "q Quit" in last(shown))
        assert "^p Palette" not in last(shown)
        await shown.pilot.resize_terminal(200, 60)
        await eventually(lambda: "^p Palette" in last(shown))


def last(shown: Opened) -> str:
    return shown.text.rstrip().splitlines()[-1]
