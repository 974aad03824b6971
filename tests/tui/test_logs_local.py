"""Logs that lie on this machine: read where they are, whatever their size; searched and filtered by a process beside the app."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from textual.events import Paste

from studio_core import wire
from tests.terminal import Window
from tests.tui import scene
from tests.tui.opened import Opened, opened, stage_in
from tests.tui.stage import Stage

COUNT = 30_000


def house(folder: Path) -> Stage:
    """Two starts of one recipe, the newer one long, and a daemon's log."""
    stage = stage_in(folder)
    scene.busy(stage)
    stage.files = [
        wire.LogFile(id="smollm2-2", recipe_id="smollm2", name="SmolLM2", size=9, live=True, backend="llamacpp",
                     created_at="2026-11-23T18:04:11+00:00"),
        wire.LogFile(id="smollm2-1", recipe_id="smollm2", name="SmolLM2", size=9, backend="llamacpp",
                     created_at="2026-11-22T09:30:00+00:00"),
        wire.LogFile(id="gateway", name="gateway", size=9, live=True, created_at="2026-11-23T18:00:00+00:00"),
    ]
    newer = stage.places.instance("smollm2-2") / "log"
    older = stage.places.history / "smollm2-1" / "log"
    for path, lines in ((newer, numbered()), (older, ["INFO the first start", "error: it broke"])):
        path.mkdir(parents=True)
        (path / f"{0:016d}.log").write_text("\n".join(lines) + "\n")
    stage.places.logs.mkdir(exist_ok=True)
    (stage.places.logs / "gateway.log").write_text("one gateway line\n")
    return stage


def numbered() -> list[str]:
    kinds = ("INFO 11-28 03:54:49 served", "WARNING 11-28 03:54:50 slow", "INFO 11-28 03:54:51 idle")
    return [f"{kinds[at % 3]} {at}" if at % 10_000 else f"ERROR 11-28 03:54:52 broke {at}" for at in range(COUNT)]


def grow(stage: Stage, *lines: str) -> None:
    with (stage.places.instance("smollm2-2") / "log" / f"{0:016d}.log").open("a") as out:
        out.write("".join(f"{line}\n" for line in lines))


async def write(shown: Opened, text: str) -> None:
    """Into what has the focus, at once."""
    focused = shown.app.screen.focused
    assert focused is not None
    focused.post_message(Paste(text))
    await shown.pilot.pause()


@asynccontextmanager
async def at_logs(folder: Path, size: tuple[int, int] = (100, 24)) -> AsyncIterator[Opened]:
    async with opened(house(folder), size) as shown:
        await shown.press("3")
        await shown.shows("idle 29999", "following")
        yield shown


async def test_it_is_read_from_its_file_and_follows(tmp_path: Path) -> None:
    async with at_logs(tmp_path) as shown:
        assert not shown.stage.wanted("GET", "/logs/smollm2-2")
        grow(shown.stage, "the very newest")
        await shown.shows("the very newest")
        await shown.press("up")
        await shown.shows("paused")
        grow(shown.stage, *(f"unseen {at}" for at in range(12)))
        await shown.shows("paused, 12 new lines")
        await shown.press("end")
        await shown.shows("unseen 11", "following")
        await shown.hides("new lines")


async def test_the_start_before_stands_above_each_with_its_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    async with at_logs(tmp_path) as shown:
        await shown.press("home")
        await shown.shows(
            "\u2500\u2500 started 22 Nov 2026 09:30:00 \u00b7 llamacpp \u00b7 smollm2-1 \u2500\u2500", "error: it broke",
            "\u2500\u2500 started 23 Nov 2026 18:04:11 \u00b7 llamacpp \u00b7 smollm2-2 \u2500\u2500",
            "ERROR 11-28 03:54:52 broke 0",
        )


async def test_a_filter_goes_over_everything(tmp_path: Path) -> None:
    async with at_logs(tmp_path) as shown:
        await shown.press("f")
        await write(shown, "broke")
        await shown.press("enter")
        await shown.shows("broke 20000", "broke 10000", "broke 0", "error: it broke", "only lines with 'broke': 4")
        assert "idle" not in shown.text
        grow(shown.stage, "not this one", "this broke too")
        await shown.shows("this broke too", "'broke': 5")
        assert "not this one" not in shown.text
        await shown.press("escape")
        await shown.shows("not this one")


async def test_levels_and_options_stay_when_another_log_is_opened(tmp_path: Path) -> None:
    async with at_logs(tmp_path) as shown:
        await shown.press("v", "v", "v", "w", "t")
        await shown.shows("only lines errors: 4", "ERROR broke 20000", "wrapped", "no times")
        await shown.press("right_square_bracket")
        await shown.shows("only lines errors", "wrapped", "no times")
        await shown.press("left_square_bracket")
        await shown.shows("ERROR broke 20000", "only lines errors: 4")
        await shown.press("escape")
        await shown.shows("idle 29999")
        await shown.hides("only lines")


async def test_search_counts_goes_both_ways_and_around(tmp_path: Path) -> None:
    async with at_logs(tmp_path) as shown:
        await shown.press("slash")
        await write(shown, "BROKE")
        await shown.press("enter")
        await shown.shows("'BROKE': 4 of 4", "broke 20000")
        await shown.press("N")
        await shown.shows("3 of 4", "broke 10000")
        await shown.press("n")
        await shown.shows("4 of 4")
        await shown.press("n")
        await shown.shows("1 of 4", "error: it broke")
        await shown.press("C")
        await shown.shows("'BROKE': no match")
        await shown.press("escape")
        await shown.hides("no match")


async def test_a_pattern_is_checked_while_it_is_written_and_the_last_good_one_stays(tmp_path: Path) -> None:
    async with at_logs(tmp_path) as shown:
        await shown.press("R", "slash")
        await write(shown, "brok. [12]")
        await shown.press("enter")
        await shown.shows("/brok. [12]/: 2 of 2")
        await shown.press("slash", "(")
        await shown.shows("not a pattern yet: missing )")
        await shown.press("enter")
        await shown.shows("not a pattern yet")
        await shown.press("escape")
        await shown.shows("/brok. [12]/: 2 of 2")


async def test_a_pattern_that_takes_for_ever_holds_nobody_up(tmp_path: Path) -> None:
    async with at_logs(tmp_path) as shown:
        grow(shown.stage, "a" * 50 + "!")
        await shown.press("R", "slash")
        await write(shown, "(a+)+$")
        await shown.press("enter")
        await shown.shows("searching")
        await shown.press("home")
        await shown.shows("the first start")
        assert "searching" in shown.text
        await shown.press("escape")
        await shown.hides("searching")


async def test_save_writes_what_passes_and_never_over_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    async with at_logs(tmp_path, (200, 24)) as shown:
        await shown.press("f")
        await write(shown, "broke")
        await shown.press("enter")
        await shown.shows("'broke': 4")
        await shown.press("s")
        await shown.shows("write to this new file")
        await shown.press("ctrl+u")
        await write(shown, "mine.log")
        await shown.press("enter")
        await shown.shows("4 lines saved to")
        assert (tmp_path / "mine.log").read_text().splitlines() == [
            "error: it broke", *(f"ERROR 11-28 03:54:52 broke {at}" for at in (0, 10_000, 20_000)),
        ]
        await shown.press("s", "ctrl+u")
        await write(shown, "mine.log")
        await shown.press("enter")
        await shown.shows("not saved to", "File exists")


async def test_copy_takes_the_lines_on_the_screen_or_the_match(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("STUDIO_CLIPBOARD", "file")
    copied = tmp_path / "cache" / "vllm-studio" / "copied.txt"
    async with at_logs(tmp_path) as shown:
        await shown.press("y")
        await shown.shows("lines: written to")
        assert copied.read_text().splitlines()[-1] == "INFO 11-28 03:54:51 idle 29999"
        await shown.press("slash")
        await write(shown, "broke")
        await shown.press("enter")
        await shown.shows("4 of 4")
        await shown.press("y")
        await shown.shows("1 line: written to")
        assert copied.read_text() == "ERROR 11-28 03:54:52 broke 20000"


async def test_options_the_filter_and_the_log_are_there_again(tmp_path: Path) -> None:
    stage = house(tmp_path)
    async with opened(stage, (100, 24)) as shown:
        await shown.press("3")
        await shown.shows("idle 29999")
        await shown.press("right_square_bracket", "right_square_bracket")
        await shown.shows("one gateway line")
        await shown.press("w", "t", "f")
        await write(shown, "gate")
        await shown.press("enter")
        await shown.shows("'gate': 1")
        await shown.press("ctrl+q")
    async with opened(stage, (100, 24)) as shown:
        await shown.shows("one gateway line", "'gate': 1", "wrapped", "no times")


async def test_the_way_back_closes_one_thing_after_the_other(tmp_path: Path) -> None:
    async with at_logs(tmp_path) as shown:
        await shown.press("v", "slash")
        await write(shown, "broke")
        await shown.press("enter")
        await shown.shows("4 of 4")
        await shown.press("q")
        await shown.hides("4 of 4")
        await shown.press("q")
        await shown.hides("only lines")
        await shown.press("q")
        await shown.shows("SIZE")
        assert shown.app.is_running


async def test_any_file_of_this_machine(tmp_path: Path) -> None:
    foreign = tmp_path / "other.log"
    foreign.write_text("somebody else's\nlast of it")
    async with at_logs(tmp_path) as shown:
        await shown.press("o", "ctrl+u")
        await write(shown, str(foreign))
        await shown.press("enter")
        await shown.shows("somebody else's", "last of it", "other.log")
        await shown.press("o", "ctrl+u")
        await write(shown, "/nowhere/at/all")
        await shown.press("enter")
        await shown.shows("no file /nowhere/at/all")
        assert "last of it" in shown.text


async def test_a_new_start_goes_on_below(tmp_path: Path) -> None:
    async with at_logs(tmp_path) as shown:
        log = shown.stage.places.instance("smollm2-3") / "log"
        log.mkdir(parents=True)
        (log / f"{0:016d}.log").write_text("INFO the third start\n")
        third = wire.LogFile(id="smollm2-3", recipe_id="smollm2", name="SmolLM2", live=True, created_at="2026-11-24T00:00:00+00:00")
        shown.stage.files.insert(0, third)
        shown.stage.status.instances[0].id = "smollm2-3"
        shown.stage.publish("status")
        await shown.shows("started 24 Nov", "INFO the third start", "idle 29999")


async def test_a_closed_screen_leaves_no_process(tmp_path: Path) -> None:
    async with at_logs(tmp_path) as shown:
        await shown.press("slash")
        await write(shown, "broke")
        await shown.press("enter")
        await shown.shows("4 of 4")
        processes = [shown.app.screen._hunt._seek._process]  # type: ignore[attr-defined]
        await shown.press("escape")
        await shown.hides("4 of 4")
        assert processes[0].wait(30) is not None
    assert not any(name.startswith(f"studio-log-{os.getpid()}") for name in os.listdir(tempfile.gettempdir()))


def test_the_command_line_opens_any_file_in_the_app(state_dir: Path) -> None:
    stage = stage_in(state_dir)
    scene.busy(stage)
    foreign = state_dir / "other.log"
    foreign.write_text("somebody else's\nlast of it")
    stage.start()
    try:
        with Window([sys.executable, "-m", "studio_core", "--state", str(state_dir), "logs", "--file", str(foreign)]) as window:
            window.until("last of it", 20)
            assert "somebody else's" in window.text and "other.log" in window.text
            window.send("\x11")
            assert window.ended() == 0
    finally:
        stage.stop()
