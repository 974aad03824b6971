"""The first frame: real figures before Textual is there, the same as the app's, and nothing of it where it cannot be."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pyte
import pytest

from studio_core.paths import Places
from studio_core.settings import load
from studio_tui import first
from studio_tui.board import layout
from studio_tui.board.span import plain
from tests.terminal import Window
from tests.tui import scene
from tests.tui.opened import stage_in
from tests.tui.stage import Stage

FIGURE = "13.0/80.0 GiB"
# Textual asks for synchronised output when it takes over.
TAKES_OVER = b"\x1b[?2026$p"


@pytest.fixture
def stage(state_dir: Path) -> Iterator[Stage]:
    stage = stage_in(state_dir)
    scene.busy(stage)
    seen = scene.machine()
    assert seen.gpus and seen.metrics and seen.samples
    stage.gpus, stage.metrics, stage.samples = seen.gpus, seen.metrics, seen.samples
    stage.start()
    yield stage
    stage.stop()


def app(stage: Stage, columns: int = 120, rows: int = 40) -> Window:
    argv = [sys.executable, "-m", "studio_tui", "--data-dir", str(stage.places.root)]
    return Window(argv, columns=columns, rows=rows)


def test_figures_are_there_before_textual_and_keys_typed_meanwhile_count(stage: Stage) -> None:
    with app(stage) as window:
        window.wait_for(FIGURE, 60.0)
        window.send("2")
        window.until("engine pid  41233")
        window.send("1")
        window.until("GPU USE")
        output = bytes(window.output)
        assert output.index(FIGURE.encode()) < output.index(TAKES_OVER)
        assert output.count(b"\x1b[?1049h") == 1 and b"2\x1b" not in output[: output.index(TAKES_OVER)][-4:]
        window.send("q")
        assert window.ended(20.0) == 0
        assert bytes(window.output).rindex(b"\x1b[?1049l") > output.index(TAKES_OVER)
    kept = first.look(stage.places.root)
    assert kept.columns == 120 and "Dashboard" in kept.top and "Quit" in kept.bottom
    assert kept.pens[""].count(";") == 9, "a colour for the ground and one behind it"
    with app(stage) as window:
        window.wait_for(FIGURE, 60.0)
        before = bytes(window.output).partition(TAKES_OVER)[0].decode()
        assert "Dashboard" in before and f"\x1b[0;{kept.pens['']}m" in before


def test_the_frame_is_the_dashboard_s_own_drawing(stage: Stage) -> None:
    view = first.snapshot(stage.places.control_socket)
    assert view is not None and view.link.state == "live"
    screen = pyte.Screen(100, 30)
    pyte.Stream(screen).feed(first.frame(view, first.Look(), 100, 30))
    drawn = [plain(line).rstrip() for line in layout.draw(view, 100, 28, "", True)]
    assert [line.rstrip() for line in screen.display] == ["", *drawn, ""]


def test_nothing_hostile_of_a_name_reaches_the_frame(stage: Stage) -> None:
    stage.status.instances[0].name = "x\x1b]52;c;aGk=\x07\x1b[2J\u202ey"
    view = first.snapshot(stage.places.control_socket)
    assert view is not None
    text = first.frame(view, first.Look(), 100, 30)
    assert "\x1b]52" not in text and "\x1b[2J" not in text and "\x07" not in text


def test_without_an_answer_there_is_no_frame(stage: Stage, tmp_path: Path) -> None:
    assert first.snapshot(tmp_path / "nobody.sock") is None
    stage.stop()
    assert first.snapshot(stage.places.control_socket) is None
    with first.painted(load({"url": "http://127.0.0.1:1"}, environ={}), "recipes") as seen:
        assert seen is None


def test_a_look_that_cannot_be_read_or_kept_costs_colours_only(tmp_path: Path) -> None:
    assert first.look(tmp_path) == first.Look()
    (tmp_path / first.NAME).write_text("{not json")
    assert first.look(tmp_path) == first.Look()
    first.keep(tmp_path, first.Look({"": "31"}, 80, "a", "b"))
    assert first.look(tmp_path) == first.Look({"": "31"}, 80, "a", "b")
    first.keep(tmp_path / "gone", first.Look())
    assert Places(tmp_path).root == tmp_path
