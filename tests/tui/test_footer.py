"""The footer: what fits, and what a click does."""

from __future__ import annotations

from pathlib import Path

import pytest

from studio_tui.widgets.footer import Footer, Key, at, fitting
from tests.tui import scene
from tests.tui.opened import opened, stage_in

KEYS = [Key("enter", "\u23ce", "Launch", "launch"), Key("s", "s", "Stop", "stop"), Key("question_mark", "?", "Help", "app.help"),
        Key("q", "q", "Quit", "app.leave")]


@pytest.mark.parametrize(("width", "names"), [
    (100, "Launch Stop Help Quit"), (34, "Launch Stop Help Quit"), (33, "Launch Help Quit"), (25, "Help Quit"), (3, "Help Quit"),
])
def test_help_and_the_way_out_stay(width: int, names: str) -> None:
    assert " ".join(key.words for key in fitting(KEYS, width)) == names


@pytest.mark.parametrize(("x", "words"), [(0, "Launch"), (9, "Launch"), (10, "Stop"), (18, "Help"), (33, "Quit"), (34, None)])
def test_a_place_belongs_to_a_key(x: int, words: str | None) -> None:
    found = at(KEYS, x)
    assert (found.words if found else None) == words


async def test_a_click_presses_the_key(tmp_path: Path) -> None:
    stage = stage_in(tmp_path)
    scene.busy(stage)
    async with opened(stage, (100, 30)) as shown:
        footer = shown.app.screen.query_one(Footer)
        before = footer.keys[:[key.action for key in footer.keys].index("app.help")]
        place = sum(len(part) for key in before for part in key.text)
        await shown.pilot.click(Footer, offset=(place + 1, 0))
        await shown.shows("keys can be changed")
