"""A room that is open when the app begins, or when Studio comes back, shows what Studio has."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from studio_core import wire
from studio_tui.memory import NAME, VERSION
from tests.tui import scene
from tests.tui.opened import opened, stage_in
from tests.tui.stage import Stage

# What each of them has to ask for.
SHOWN = {"logs": "controller", "chat": "Primes in Python", "usage": "llama-70b", "models": "a-model", "bench": "best-model"}


def filled(folder: Path) -> Stage:
    stage = stage_in(folder)
    scene.busy(stage)
    stage.models = wire.ModelFiles(models=[wire.ModelFile(name="a-model", path="/models/a")])
    stage.peaks = {"metrics": [{"model_id": "best-model", "generation_tps": 1.0}]}
    return stage


@pytest.mark.parametrize("room", SHOWN)
async def test_a_room_that_the_app_opens_with_is_filled(tmp_path: Path, room: str) -> None:
    stage = filled(tmp_path)
    (stage.places.root / NAME).write_text(json.dumps({"version": VERSION, "servers": {"": {"room": room, "rooms": {}}}}))
    async with opened(stage, (120, 40)) as shown:
        await shown.shows(SHOWN[room])


@pytest.mark.parametrize("room", SHOWN)
async def test_what_came_while_studio_was_away_is_shown_when_it_is_back(tmp_path: Path, room: str) -> None:
    stage = filled(tmp_path)
    async with opened(stage, (120, 40)) as shown:
        await shown.press(str(1 + ["dashboard", "recipes", "logs", "chat", "usage", "models", "mcp", "bench"].index(room)))
        await shown.shows(SHOWN[room])
        stage.stop()
        await shown.shows("Studio does not answer")
        stage.chats["c3"] = wire.Chat(session=wire.ChatSession(id="c3", title="the new one"))
        stage.files.append(wire.LogFile(id="n", name="the new one"))
        stage.usage["by_model"].append({"model": "the new one"})
        stage.models.models.append(wire.ModelFile(name="the new one", path="/n"))
        stage.peaks["metrics"].append({"model_id": "the new one"})
        stage.start()
        await shown.shows("the new one")
