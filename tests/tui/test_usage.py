"""The Usage room: what is under way, and its end."""

from __future__ import annotations

from pathlib import Path

import pytest

from studio_core import wire
from tests.tui import scene
from tests.tui.opened import opened, stage_in
from tests.tui.stage import Stage
from tests.wait import eventually

SIZES = ((60, 20), (80, 24), (120, 40))


def busy(folder: Path) -> Stage:
    stage = stage_in(folder)
    scene.busy(stage)
    stage.flights = wire.Flights(total=2, requests=[
        wire.Flight(id="r1", age_s=95.0, state="streaming", model="smollm2", path="/v1/chat/completions", key="webui", tokens=412),
        wire.Flight(id="r2", age_s=3.0, state="prefill", model="qwen3-8b", path="/v1/completions"),
    ])
    return stage


@pytest.mark.parametrize("size", SIZES, ids=str)
async def test_what_is_under_way_is_shown_and_gives_way_when_one_leaves(tmp_path: Path, size: tuple[int, int]) -> None:
    stage = busy(tmp_path)
    async with opened(stage, size) as shown:
        await shown.press("5")
        await shown.shows("Requests under way", "1 m 35 s", "streaming", "qwen3-8b", "By model")
        stage.flights = wire.Flights()
        await shown.shows("none at the moment")
        await shown.press("2")
        await shown.shows("RECIPE ")
        await shown.press("5")
        await shown.shows("By model", "all time")
        assert "under way" not in shown.text


async def test_a_request_is_ended_when_one_says_so(tmp_path: Path) -> None:
    stage = busy(tmp_path)
    async with opened(stage) as shown:
        await shown.press("5")
        await shown.shows("Requests under way", "d ends one")
        await shown.press("d")
        await shown.shows("go there first")
        await shown.press("ctrl+o")
        await shown.shows("[a]")
        await shown.press("a", "d")
        await shown.shows("Cancel a request to smollm2", "End the request of webui to smollm2, under way for 1 m")
        await shown.press("n", "d", "y")
        await eventually(lambda: stage.wanted("DELETE", "/v1/studio/requests/r1"), what="it is ended")
        await shown.hides("webui")
        await shown.shows("qwen3-8b")
        assert len(stage.wanted("DELETE", "/v1/studio/requests")) == 1


async def test_where_none_is_under_way_it_says_so(tmp_path: Path) -> None:
    stage = busy(tmp_path)
    stage.flights = wire.Flights()
    async with opened(stage) as shown:
        await shown.press("5")
        await shown.shows("By model")
        await shown.press("d")
        await shown.shows("no request is under way")
