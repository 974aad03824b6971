"""The board keeps its lines as they are written: only as long as figures, colours, signs and width are the same."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.style import Style
from textual.geometry import Region

from studio_tui import theme
from studio_tui.widgets.board import Board
from tests.tui import scene
from tests.tui.opened import Opened, opened, stage_in
from tests.tui.stage import Stage
from tests.wait import eventually


def busy(folder: Path) -> Stage:
    stage = stage_in(folder)
    scene.busy(stage)
    stage.start()
    return stage


def board(shown: Opened) -> Board:
    return shown.app.screen.query_one(Board)


def styles(one: Board) -> set[Style | None]:
    return {segment.style for strip in one.render_lines(one.size.region) for segment in strip}


async def test_lines_stay_and_those_whose_figures_change_are_made_anew(tmp_path: Path) -> None:
    stage = busy(tmp_path)
    async with opened(stage, (120, 40)) as shown:
        await shown.shows("REQUESTS")
        one = board(shown)
        before = one.render_lines(one.size.region)
        assert [id(strip) for strip in one.render_lines(one.size.region)] == [id(strip) for strip in before]
        stage.sample(scene.host(77.0))
        await shown.shows("77 %")
        after = one.render_lines(one.size.region)
        assert 0 < sum(old is not new for old, new in zip(before, after, strict=True)) < len(after) // 2
    stage.stop()


async def test_another_theme_and_other_filters_reach_every_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    stage = busy(tmp_path)
    async with opened(stage, (120, 40)) as shown:
        await shown.shows("REQUESTS")
        one = board(shown)
        assert {color.is_default for style in styles(one) if style for color in (style.color, style.bgcolor) if color} == {True}
        plain = one.render_lines(one.size.region)
        assert one.render_lines(one.size.region)[0] is plain[0], "filters that are the same are known as the same"
        shown.app._filters = []
        coloured = styles(one)
        assert len({style.color for style in coloured if style and style.color and not style.color.is_default}) >= 3
        shown.app.theme = theme.LIGHT.name
        await eventually(lambda: styles(one).isdisjoint(coloured))
    stage.stop()


async def test_of_a_part_of_the_board_only_that_part_is_given(tmp_path: Path) -> None:
    stage = busy(tmp_path)
    async with opened(stage, (120, 40)) as shown:
        await shown.shows("REQUESTS")
        one = board(shown)
        whole = one.render_lines(one.size.region)[2:5]
        part = one.render_lines(Region(10, 2, 30, 3))
        assert [strip.text for strip in part] == [strip.text[10:40] for strip in whole]
    stage.stop()
