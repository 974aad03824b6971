"""The command log: what was asked and started, the newest last, bounded, and copied without secrets."""

from __future__ import annotations

import json
import shlex
import time
from pathlib import Path

import pytest

from studio_core import wire
from studio_core.client.asked import Asked, asked
from studio_tui.record import Record, Started
from tests.tui import scene
from tests.tui.opened import opened, stage_in
from tests.tui.stage import Stage
from tests.wait import eventually


def filled(folder: Path) -> Stage:
    stage = stage_in(folder)
    scene.busy(stage)
    return stage


@pytest.mark.parametrize("size", [(60, 20), (120, 40)])
async def test_a_launch_is_there_with_its_answer_and_its_command(tmp_path: Path, size: tuple[int, int]) -> None:
    stage = filled(tmp_path)
    async with opened(stage, size, recipe="old") as shown:
        await shown.shows("Old one")
        await shown.press("enter")
        await eventually(lambda: stage.wanted("POST", "/launch/old"), what="it was launched")
        await shown.press("tilde")
        await shown.shows("Command log", "POST", "/launch/old", "200")
        assert stage.status.instances
        stage.status.instances.append(scene.instance("old", "Old one", "starting", port=8004))
        stage.publish("status")
        await shown.shows("started", "/instances/old-1/")
        await shown.press("up")
        await shown.shows("llama-server --model '/models/a b.gguf'")
        lines = shown.text.splitlines()
        at = [next(at for at, text in enumerate(lines) if word in text) for word in ("/launch/old", "started")]
        assert at == sorted(at), "the newest is the last"
        await shown.press("tilde")
        await shown.hides("Command log")


async def test_the_request_under_the_cursor_is_shown_and_copied_as_a_curl_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage, cache = filled(tmp_path), tmp_path / "cache"
    monkeypatch.setenv("STUDIO_CLIPBOARD", "file")
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    file = cache / "vllm-studio" / "copied.txt"
    async with opened(stage, (120, 40)) as shown:
        await shown.press("8", "r", "tilde")
        await shown.shows("/peak-metrics", f"curl -sS --unix-socket {stage.places.control_socket}"[:60])
        await shown.press("y")
        await shown.shows("the request for curl")
        line = file.read_text()
        assert line.startswith(f"curl -sS --unix-socket {stage.places.control_socket}") and "/peak-metrics" in line
        await shown.press("up", "enter")
        await eventually(lambda: file.read_text() != line, what="another request is copied")


async def test_an_answer_that_fails_and_one_that_is_awaited_are_told(tmp_path: Path) -> None:
    stage = filled(tmp_path)
    async with opened(stage, (80, 24)) as shown:
        record = shown.app.bridge.record
        record.heard(Asked("POST", "/evict?instance=a", at=time.time()))
        record.heard(Asked("GET", "/nothing", status=404, took_s=0.012, at=time.time()))
        record.heard(Asked("GET", "/gone", took_s=30.0, problem="refused", at=time.time()))
        await shown.press("tilde")
        await shown.shows("under way", "404", "12 ms", "none", "30 s")


def test_what_only_looks_stands_once_and_only_so_many_are_kept() -> None:
    record = Record(most=5)
    for at in range(3):
        record.heard(asked("GET", f"/logs/a?end={at}", None, False))
        record.heard(asked("POST", f"/launch/{at}", None, False))
    last = record.entries()
    assert [(one.what.path, one.count) for one in last if isinstance(one.what, Asked)] == [
        ("/launch/0", 1), ("/launch/1", 1), ("/logs/a?end=2", 3), ("/launch/2", 1),
    ]
    for at in range(20):
        record.heard(asked("POST", f"/launch/{at}", None, False))
    assert len(record.entries()) == 5


def test_only_what_starts_while_the_app_is_open_is_a_start() -> None:
    record, before, new = Record(), scene.instance("a", "A", "ready"), scene.instance("b", "B", "starting")
    assert record.started([before], 1.0) == []
    assert [one.name for one in record.started([before, new], 2.0)] == ["B"]
    assert record.started([before, new], 3.0) == []
    (entry,) = record.entries()
    assert isinstance(entry.what, Started) and entry.what.instance_id == "b-1"


async def test_a_recipe_s_model_is_asked_by_a_copied_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stage, cache = filled(tmp_path), tmp_path / "cache"
    monkeypatch.setenv("STUDIO_CLIPBOARD", "file")
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    file = cache / "vllm-studio" / "copied.txt"
    async with opened(stage) as shown:
        await shown.press("2", "home")
        await shown.shows("\u25b8 SmolLM2 135M", "engine pid")
        await shown.press("y")
        await shown.shows("a request for curl")
        words = shlex.split(file.read_text())
        assert words[-1] == "http://127.0.0.1:8080/v1/chat/completions"
        assert json.loads(words[words.index("-d") + 1])["model"] == "smollm2"
        assert "Authorization: Bearer $VLLM_STUDIO_API_KEY" in words
        stage.status.gateway = wire.Gateway()
        stage.publish("status")
        await eventually(lambda: shown.app.known.status is not None and not shown.app.known.status.gateway.port)
        await shown.press("y")
        await shown.shows("no gateway listens")
