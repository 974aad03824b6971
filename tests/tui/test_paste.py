"""Pasting a command on the recipes screen: what it becomes is seen before it is stored."""

from __future__ import annotations

from pathlib import Path

from textual import events

from tests.tui.opened import Opened, filled, opened
from tests.wait import eventually

COMMAND = "CUDA_VISIBLE_DEVICES=0 HF_TOKEN=s3cr3t vllm serve org/new \\\n  -tp 2 --brand-new"


async def paste(shown: Opened, text: str) -> None:
    """As a terminal sends it: in one piece."""
    shown.app.post_message(events.Paste(text))
    await shown.pilot.pause()


async def test_a_pasted_command_is_shown_and_stored(tmp_path: Path) -> None:
    stage = filled(tmp_path)
    async with opened(stage, (110, 44)) as shown:
        await shown.press("2", "i")
        await shown.shows("Import", "Nothing is run.")
        await paste(shown, COMMAND)
        await shown.shows("id: new", "tensor_parallel_size: 2", "--brand-new is no flag of vllm", "HF_TOKEN is left out")
        assert not stage.wanted("POST", "/recipes") or stage.wanted("POST", "/recipes") == ["/recipes/import"]
        await shown.press("enter")
        await shown.shows("new stored")
        await eventually(lambda: type(shown.app.screen).__name__ == "Recipes", what="the dialog is closed")
        [stored] = [body for method, path, body in stage.asked if (method, path) == ("POST", "/recipes")]
        assert stored["gpus"] == ["0"] and stored["extra_args"]["brand_new"] is True and "s3cr3t" not in str(stored)


async def test_what_is_no_command_says_so_and_stores_nothing(tmp_path: Path) -> None:
    stage = filled(tmp_path)
    async with opened(stage, (110, 44)) as shown:
        await shown.press("2", "i")
        await paste(shown, "rm -rf /")
        await shown.shows("starts no engine that Studio knows")
        await shown.press("enter", "escape")
        await eventually(lambda: type(shown.app.screen).__name__ == "Recipes", what="the dialog is closed")
        assert set(stage.wanted("POST", "/recipes")) == {"/recipes/import"}


async def test_nothing_is_stored_over_another(tmp_path: Path) -> None:
    stage = filled(tmp_path)
    taken = stage.recipes[0].id
    async with opened(stage, (110, 44)) as shown:
        await shown.press("2", "i")
        await paste(shown, f"vllm serve org/x --served-model-name {taken}")
        await shown.shows(f"id: {taken}")
        await shown.press("enter")
        await shown.shows("nothing was stored", f"id: {taken}")
        assert set(stage.wanted("POST", "/recipes")) == {"/recipes/import"}


async def test_other_text_than_the_shown_is_read_before_it_is_stored(tmp_path: Path) -> None:
    stage = filled(tmp_path)
    async with opened(stage, (80, 24)) as shown:
        await shown.press("2", "i")
        await paste(shown, "vllm serve org/one")
        await shown.shows("id: one")
        await shown.press("x", "enter")
        await shown.shows("id: onex")
        await shown.press("enter")
        await shown.shows("onex stored")
        assert [body["id"] for method, path, body in stage.asked if (method, path) == ("POST", "/recipes")] == ["onex"]
