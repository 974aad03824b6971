"""Notices: what a load's end means, and how a terminal that nobody looks at is told."""

from __future__ import annotations

import copy
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from studio_core import wire
from studio_tui import notice, status
from tests.terminal import Window
from tests.tui import scene
from tests.tui.opened import opened, stage_in
from tests.tui.stage import Stage
from tests.wait import wait_until

NAMES = {"qwen3-8b": "Qwen3 8B"}


def going(state: str, **fields: object) -> wire.Status:
    launch = wire.Launch(id="l1", recipe_id="qwen3-8b", state=state, instance_id="qwen3-8b-1", age_s=32.0)
    for name, value in fields.items():
        setattr(launch, name, value)
    return wire.Status(running=False, process=None, inference_port=0, launching=None, launches=[launch])


@pytest.mark.parametrize(("state", "text", "alarm"), [
    ("ready", "Qwen3 8B is ready after 32 s", True),
    ("failed", "Qwen3 8B failed: no room", True),
    ("cancelled", "the launch of Qwen3 8B was cancelled", False),
])
def test_the_end_of_a_load_is_told_once(state: str, text: str, alarm: bool) -> None:
    before, after = going("starting"), going(state, failure=wire.Failure(title="no room") if state == "failed" else None)
    (one,) = notice.endings(before, after, NAMES)
    assert (one.text, one.alarm) == (text, alarm)
    assert list(notice.endings(after, after, NAMES)) == []
    assert list(notice.endings(None, after, NAMES)) == [], "what was over before the app came is no news"


def test_a_model_that_fails_at_work_is_told() -> None:
    before = wire.Status(running=True, process=None, inference_port=0, launching=None,
                         instances=[scene.instance("smollm2", "Smol\x1b[31mLM2", "ready")])
    after = copy.deepcopy(before)
    after.instances[0].state, after.instances[0].failure = "failed", wire.Failure(title="killed")
    (one,) = notice.endings(before, after, {})
    assert one.alarm and one.tone == status.BAD and one.text.endswith("failed: killed") and "\x1b" not in one.text


async def test_the_list_keeps_what_a_toast_said(tmp_path: Path) -> None:
    stage = stage_in(tmp_path)
    scene.busy(stage)
    async with opened(stage) as shown:
        await shown.press("exclamation_mark")
        await shown.shows("nothing yet")
        await shown.press("escape", "2", "enter")
        await shown.shows("SmolLM2 135M: launch asked for")
        shown.app.clear_notifications()
        await shown.press("exclamation_mark")
        await shown.shows("Notices", "SmolLM2 135M: launch asked for")


@pytest.fixture
def window(tmp_path: Path) -> Iterator[tuple[Window, Stage]]:
    stage = stage_in(tmp_path)
    scene.busy(stage)
    stage.status.launches = going("starting").launches
    stage.start()
    environ = {name: value for name, value in os.environ.items() if name != "TMUX"}
    window = Window([sys.executable, "-m", "studio_tui", "--data-dir", str(tmp_path)], environ)
    try:
        yield window, stage
    finally:
        window.close()
        stage.stop()


def test_a_terminal_that_nobody_looks_at_hears_a_bell(window: tuple[Window, Stage]) -> None:
    terminal, stage = window
    terminal.until("Qwen3 8B")
    terminal.send(b"2")
    terminal.until("\u25d0 loading")  # It has heard: the first status alone tells of no end.
    terminal.send(b"\x1b[O")
    stage.status.launches[0].state = "ready"
    stage.publish("status")
    wait_until(lambda: b"\x1b]9;Qwen3 8B is ready after 32 s\x07" in bytes(terminal.output))
    assert b"\x1b]2;Qwen3 8B is ready after 32 s\x07" in bytes(terminal.output)
    terminal.send(b"\x1b[I")
    wait_until(lambda: b"\x1b]2;Studio\x07" in bytes(terminal.output))
