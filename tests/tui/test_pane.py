"""`studio pane` in a real terminal of a few rows: what it tells, that it is quiet, and how it ends."""

from __future__ import annotations

import sys

import pytest

from studio_core import wire
from studio_tui.board import brief
from studio_tui.board.span import plain, width
from studio_tui.view import Link, View
from tests.terminal import Window
from tests.tui import scene
from tests.tui.stage import Stage


def pane(stage: Stage, rows: int, columns: int = 100) -> Window:
    argv = [sys.executable, "-m", "studio_core", "--state", str(stage.places.root), "pane"]
    return Window(argv, columns=columns, rows=rows)


def test_a_few_rows_tell_machine_and_models_and_follow(stage: Stage) -> None:
    with pane(stage, 3) as window:
        window.until("4.1/24.0 GiB")
        window.until("\u25cf SmolLM2 135M  2 + 0 requests")
        stage.sample(scene.host(71.0), "gone")
        window.until("71 %")
        window.resize(60, 1)
        window.until("SmolLM2 135M")
        window.send("q")
        assert window.ended() == 0
        assert bytes(window.output).endswith(b"\x1b[?1049l")


def test_a_second_frame_writes_only_what_changed(stage: Stage) -> None:
    with pane(stage, 2) as window:
        window.until("38 %")
        window.until("requests")
        before = window.received
        stage.sample(scene.host(39.0), "the NVIDIA driver is not loaded")
        window.until("39 %")
        assert window.received - before < 200


def test_a_lost_terminal_ends_it(stage: Stage) -> None:
    with pane(stage, 2) as window:
        window.until("38 %")
        window.hang_up()
        window.ended()


def test_a_gone_studio_is_said_and_comes_back(stage: Stage) -> None:
    with pane(stage, 2) as window:
        window.until("requests")
        stage.stop()
        window.until("reconnecting")
        stage.start()
        window.until("\u25cf SmolLM2 135M  2")


@pytest.mark.parametrize("rows", range(1, 9))
@pytest.mark.parametrize("cells", [10, 40, 100, 200])
def test_it_is_exactly_as_large_as_the_pane(cells: int, rows: int) -> None:
    for view in (scene.machine(), scene.machine(gpus=0), View(), View(link=Link("failed", "x", "no"))):
        lines = brief.draw(view, cells, rows)
        assert [width(plain(one)) for one in lines] == [cells] * rows


def test_one_row_has_the_model_that_matters_most_and_the_machine() -> None:
    (line,) = brief.draw(scene.machine(), 120, 1)
    assert plain(line).startswith("\u25cf SmolLM2 135M  2 + 0 requests    61 tok/s  TTFT 81 ms") and "GPU" in plain(line)
    view = scene.machine()
    assert view.status is not None and view.gpus is not None
    view.status.instances = view.status.instances[1:2]
    view.gpus.gpus[0].lost = True
    two = [plain(one) for one in brief.draw(view, 120, 2)]
    assert "1 lost" in two[0] and "41 %" in two[1] and "about" in two[1]
    empty = View(link=Link("live", "x"), status=wire.Status(running=False, process=None, inference_port=0, launching=None))
    assert plain(brief.draw(empty, 40, 1)[0]).startswith("nothing runs")
