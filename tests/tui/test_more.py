"""What else can be done with a model: only what its engine and its state allow, each asked with its name."""

from __future__ import annotations

from pathlib import Path

from tests.tui import scene
from tests.tui.opened import opened, stage_in
from tests.tui.stage import Stage
from tests.wait import eventually


def filled(folder: Path) -> Stage:
    stage = stage_in(folder)
    scene.busy(stage)
    stage.status.instances[0].actions = ["sleep 1", "wake 1", "load adapter", "unload adapter"]
    return stage


async def test_a_model_sleeps_and_wakes(tmp_path: Path) -> None:
    stage = filled(tmp_path)
    async with opened(stage, (100, 30)) as shown:
        await shown.press("2", "a")
        await shown.shows("Sleep", "Load adapter", "Stop at once")
        assert "Sleep deeply" not in shown.text and "Wake" not in shown.text and "Release" not in shown.text
        await shown.press("enter")
        await shown.shows("Sleep: SmolLM2 135M?", "the next request wakes it")
        await shown.press("y")
        await shown.shows("SmolLM2 135M sleeps")
        assert stage.wanted("POST", "/instances") == ["/instances/smollm2-1/sleep?level=1&force=false"]
        stage.status.instances[0].state = "sleeping"
        stage.publish("status")
        await shown.shows("\u25cc sleeping")
        await shown.press("a", "enter")
        await shown.shows("SmolLM2 135M is awake")


async def test_adapters(tmp_path: Path) -> None:
    stage = filled(tmp_path)
    async with opened(stage, (100, 30)) as shown:
        await shown.press("2", "a", "down", "enter")
        await shown.shows("Load an adapter into SmolLM2 135M")
        await shown.press(*"sql=/adapters/sql", "enter")
        await shown.shows("sql is loaded")
        await shown.press("a", "down", "down", "enter")
        await shown.shows("Unload an adapter of SmolLM2 135M", "mine")
        assert "fixed" not in shown.text
        await shown.press("enter")
        await shown.shows("Unload mine?")
        await shown.press("y")
        await shown.shows("mine is unloaded")
    assert {"name": "sql", "path": "/adapters/sql"} in [body for _, _, body in stage.asked]


async def test_at_once_needs_the_name(tmp_path: Path) -> None:
    stage = filled(tmp_path)
    async with opened(stage, (100, 30)) as shown:
        await shown.press("2", "a", "G", "enter")
        await shown.shows("2 requests in flight are cut off", "type its name:")
        await shown.press(*"SmolLM2 135M", "enter")
        await eventually(lambda: stage.wanted("POST", "/evict?force=true&instance=smollm2-1"))


async def test_what_failed_is_released_or_launched_by_force(tmp_path: Path) -> None:
    stage = filled(tmp_path)
    async with opened(stage, (100, 30), recipe="mistral") as shown:
        await shown.shows("\u25b8 Mistral Small")
        await shown.press("a", "enter")
        await shown.shows("Release: Mistral Small?")
        await shown.press("y")
        await eventually(lambda: stage.wanted("POST", "/evict?instance=mistral-1&release=true"))
        await shown.press("a", "down", "enter")
        await shown.shows("whatever has to leave")
        await shown.press("y")
        await eventually(lambda: stage.wanted("POST", "/launch/mistral?wait=false&force=true"))
