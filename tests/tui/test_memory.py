"""What the app remembers: where one was, what was selected and written, and nothing that a broken file says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from studio_tui.memory import NAME, VERSION, Memory
from tests.tui.opened import filled, opened


async def test_the_app_comes_back_as_it_was_left(tmp_path: Path) -> None:
    async with opened(filled(tmp_path)) as shown:
        await shown.press("4", *"half a thought")
        await shown.shows("half a thought")
        await shown.press("escape", "2", "down", "down", "down", "ctrl+t")
        await shown.shows("\u25b8 Mistral Small")
        theme = shown.app.theme
        await shown.press("ctrl+q")
    async with opened(filled(tmp_path)) as shown:
        await shown.shows("2 Recipes", "\u25b8 Mistral Small")
        assert shown.app.theme == theme
        await shown.press("4")
        await shown.shows("half a thought")


async def test_the_chat_that_was_open_is_open_again_with_what_was_begun_in_it(tmp_path: Path) -> None:
    async with opened(filled(tmp_path), (100, 30)) as shown:
        await shown.press("4", *"elsewhere", "escape", "left_square_bracket")
        await shown.shows("What is a prime?")
        await shown.press("i", *"half a thought")
        await shown.press("ctrl+q")
    async with opened(filled(tmp_path), (100, 30)) as shown:
        await shown.shows("What is a prime?", "half a thought")
        await shown.press("ctrl+n")
        await shown.shows("elsewhere", "write below")
        assert "half" not in shown.text
        await shown.press("ctrl+q")
    gone = filled(tmp_path)
    async with opened(gone, (100, 30)) as shown:
        await shown.shows("elsewhere", "New chat")


async def test_a_chat_that_is_gone_meanwhile_loses_no_draft(tmp_path: Path) -> None:
    async with opened(filled(tmp_path), (100, 30)) as shown:
        await shown.press("4", "escape", "left_square_bracket")
        await shown.shows("What is a prime?")
        await shown.press("i", *"half a thought")
        await shown.press("ctrl+q")
    gone = filled(tmp_path)
    del gone.chats["c1"]
    async with opened(gone, (100, 30)) as shown:
        await shown.shows("New chat", "half a thought")


async def test_a_terminal_that_is_closed_without_a_word_costs_seconds(tmp_path: Path) -> None:
    stage = filled(tmp_path)
    async with opened(stage) as shown:
        await shown.press("2", "down")
        shown.app.rooms.remember()
        kept = json.loads((stage.places.root / NAME).read_text())
        assert kept["servers"][""]["room"] == "recipes"
        assert (stage.places.root / NAME).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("text", ["{", "[]", '{"version": 99}', '{"version": 1, "servers": {"": 7}}', '{"version": 1, "theme": {}}',
                                  '{"version": 1, "servers": {"": {"room": "cellar", "rooms": {"dashboard": {"models": [1]}}}}}'])
async def test_no_file_keeps_the_app_from_opening(tmp_path: Path, text: str) -> None:
    stage = filled(tmp_path)
    (stage.places.root / NAME).write_text(text)
    async with opened(stage) as shown:
        await shown.shows("SmolLM2 135M", "1 Dashboard")


@pytest.mark.parametrize("text", ["{", "[]", '{"version": 99}', "\udcff"])
def test_a_file_that_cannot_be_read_is_set_aside(tmp_path: Path, text: str) -> None:
    path = tmp_path / NAME
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    memory = Memory(path)
    assert "begun anew" in memory.complaint
    assert not path.exists()
    assert (tmp_path / f"{NAME}.broken").read_bytes() == text.encode("utf-8", "surrogateescape")
    memory.theme = "x"
    memory.save()
    assert json.loads(path.read_text())["version"] == VERSION


def test_what_has_not_changed_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "new" / NAME
    memory = Memory(path)
    memory.server("https://far")["room"] = "logs"
    memory.save()
    before = path.stat().st_ino
    memory.save()
    assert path.stat().st_ino == before
    assert Memory(path).server("https://far")["room"] == "logs"
    assert [one.name for one in path.parent.iterdir()] == [NAME]


def test_a_folder_that_cannot_be_written_is_no_trouble(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    memory = Memory(tmp_path / "file" / NAME)
    memory.theme = "x"
    memory.save()
    assert memory.complaint
