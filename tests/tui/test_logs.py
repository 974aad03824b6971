"""The log screen: follow, scroll away and back, search, filter, wrap; and the ring under it."""

from __future__ import annotations

from pathlib import Path

from studio_core import wire
from tests.tui.opened import Opened, filled, opened


async def enter(shown: Opened) -> None:
    await shown.press("3")
    await shown.shows("399 load_model", "following")


async def test_lines_appear_as_they_are_written(tmp_path: Path) -> None:
    async with opened(filled(tmp_path)) as shown:
        await enter(shown)
        shown.stage.write("smollm2-1", "the very newest line")
        await shown.shows("the very newest line")


async def test_scrolling_away_breaks_the_follow_and_end_takes_it_up(tmp_path: Path) -> None:
    async with opened(filled(tmp_path)) as shown:
        await enter(shown)
        await shown.press("pageup")
        await shown.shows("paused")
        shown.stage.write("smollm2-1", *[f"line {at} while away" for at in range(30)])
        await shown.shows("paused, 30 new lines")
        assert "while away" not in shown.text
        await shown.press("end")
        await shown.shows("line 29 while away", "following")


async def test_search_counts_and_goes_around(tmp_path: Path) -> None:
    async with opened(filled(tmp_path)) as shown:
        await enter(shown)
        await shown.press("slash", *"BOS", "enter")
        await shown.shows("'BOS': 57 of 57", "395 warning")
        await shown.press("n")
        await shown.shows("1 of 57", "  3 warning")
        await shown.press("N")
        await shown.shows("57 of 57")
        await shown.press("escape")
        await shown.hides("of 57")


async def test_a_filter_goes_over_the_whole_log_and_over_what_comes(tmp_path: Path) -> None:
    async with opened(filled(tmp_path)) as shown:
        await enter(shown)
        await shown.press("f", *"cancelled", "enter")
        await shown.shows("only lines with 'cancelled'", "398 error")
        assert "slots are idle" not in shown.text
        shown.stage.write("smollm2-1", "not this", "this was cancelled too")
        await shown.shows("this was cancelled too")
        assert "not this" not in shown.text
        await shown.press("escape")
        await shown.shows("not this")


async def test_a_long_line_wraps(tmp_path: Path) -> None:
    stage = filled(tmp_path)
    stage.logs["smollm2-1"] = ["begin " + "x" * 100 + " finish"]
    async with opened(stage) as shown:
        await shown.press("3")
        await shown.shows("begin")
        assert "finish" not in shown.text
        await shown.press("w")
        await shown.shows("finish", "wrapped")


async def test_another_log_is_opened_from_the_list(tmp_path: Path) -> None:
    async with opened(filled(tmp_path)) as shown:
        await enter(shown)
        await shown.press("escape")
        await shown.shows("SIZE", "\u25b8 SmolLM2 135M")
        await shown.press("down", "enter")
        await shown.shows("adopted smollm2-1")
        await shown.press("left_square_bracket")
        await shown.shows("399 load_model")


async def test_it_goes_on_after_the_controller_came_back(tmp_path: Path) -> None:
    async with opened(filled(tmp_path)) as shown:
        await enter(shown)
        shown.stage.places.down.touch()
        shown.stage.stop()
        await shown.shows("down")
        shown.stage.start()
        await shown.hides("down")
        shown.stage.write("smollm2-1", "after the return")
        await shown.shows("after the return", "399 load_model")


async def test_a_log_that_is_empty_says_so(tmp_path: Path) -> None:
    stage = filled(tmp_path)
    stage.files = [wire.LogFile(id="gateway", name="gateway")]
    async with opened(stage) as shown:
        await shown.press("3")
        await shown.shows("this log is empty")
