"""The pictures of the README are what the app draws today."""

from __future__ import annotations

import contextlib
import re
import socket
from pathlib import Path

import pytest

from tests.guards.source import ROOT
from tests.tui import picture, scene
from tests.tui.opened import opened, stage_in
from tests.wait import eventually

README = (ROOT / "README.md").read_text(encoding="utf-8")
RECIPES_SIZE = (98, 20)
LARGEST = 150_000
SECONDS = re.compile(r"\d+(?= s\b)")


async def test_the_picture_is_what_the_app_draws(tmp_path: Path) -> None:
    """Its text only: another Textual may draw the same with other CSS."""
    now = picture.lines(await picture.draw(tmp_path))
    assert len(now) > picture.SIZE[1] * 0.8, "nearly every line of the screen holds something"
    kept = picture.lines(picture.FILE.read_text(encoding="utf-8"))
    assert [_still(line) for line in kept] == [_still(line) for line in now], f"draw it anew: {picture.COMMAND}"


def test_the_readme_begins_with_it() -> None:
    (shown,) = re.findall(r"!\[[^]]+\]\(([^)]+)\)", README)
    assert (ROOT / shown).samefile(picture.FILE)
    assert README.index(shown) < README.index("\n## ")


def test_the_picture_is_small_and_calls_nobody() -> None:
    svg = picture.FILE.read_text(encoding="utf-8")
    assert len(svg) < LARGEST
    assert set(re.findall(r"https?://[^\s\"')]+", svg)) == {"http://www.w3.org/2000/svg"}, "nothing but the name of SVG itself"
    assert "url(" not in svg.replace("url(#", "")


async def test_the_text_is_what_the_app_draws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "gpu1")
    stage = stage_in(tmp_path)
    scene.busy(stage)
    async with opened(stage, RECIPES_SIZE) as shown:
        await shown.press("2", "down", "down", "down")
        await shown.shows("gpu1 ", "remedy")

        def text() -> str:
            return "\n".join(line.rstrip() for line in shown.text.splitlines())

        with contextlib.suppress(AssertionError):  # A scroll bar comes a frame after its rows.
            await eventually(lambda: _still(text()) in _still(README))
        drawn = text()
    assert _still(drawn) in _still(README), f"put this into the README:\n{drawn}"


def _still(text: str) -> str:
    """Without the seconds, which pass."""
    return SECONDS.sub(lambda found: "0" * len(found.group()), text)
