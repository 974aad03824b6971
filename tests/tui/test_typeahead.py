"""Keys of one burst, as a slow link brings them: each does what it would have done alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from textual import events

from studio_tui.widgets.prompt import Prompt
from tests.tui import scene
from tests.tui.opened import Opened, opened, stage_in
from tests.tui.stage import Stage
from tests.wait import eventually


def busy(folder: Path) -> Stage:
    stage = stage_in(folder)
    scene.busy(stage)
    return stage


def burst(shown: Opened, keys: Sequence[str]) -> None:
    for key in keys:
        name = {"/": "slash"}.get(key, key)
        shown.app.post_message(events.Key(name, key if len(key) == 1 else None))


async def test_a_filter_is_typed_and_nothing_acts(tmp_path: Path) -> None:
    async with opened(busy(tmp_path), (120, 40)) as shown:
        burst(shown, "2/small")
        await shown.shows("small", "Mistral Small")
        await shown.hides("Qwen3 8B")
        assert len(shown.app.screen_stack) == 1, "no key asked for anything"


@pytest.mark.parametrize("count", [3, 60])
async def test_a_message_is_written_whole_and_in_order(tmp_path: Path, count: int) -> None:
    text = "sxdmq?"
    async with opened(busy(tmp_path), (120, 40)) as shown:
        burst(shown, ["4", *(text * count)[: count * 2]])
        await eventually(lambda: [one.text for one in shown.app.screen.query(Prompt)] == [(text * count)[: count * 2]])


async def test_keys_after_one_that_opens_a_dialog_go_to_the_dialog(tmp_path: Path) -> None:
    async with opened(busy(tmp_path), (120, 40)) as shown:
        burst(shown, ["m", "m", "i", "s", "t"])
        await shown.shows("mist", "Mistral Small")
        burst(shown, ["escape", "2"])
        await shown.shows("RECIPE", "STATE")
