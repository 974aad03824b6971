"""The pictures of the README are what the app draws today."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import pytest

from tests.guards.source import ROOT
from tests.tui import scene
from tests.tui.opened import opened, stage_in

SIZE = (98, 20)
SECONDS = re.compile(r"\d+(?= s\b)")


@pytest.mark.parametrize(("keys", "mark"), [((), "38 %"), (("2", "down", "down", "down"), "remedy")], ids=["dashboard", "recipes"])
async def test_the_readme_shows_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keys: tuple[str, ...], mark: str) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "gpu1")
    stage = stage_in(tmp_path)
    scene.busy(stage)
    async with opened(stage, SIZE) as shown:
        await shown.press(*keys)
        await shown.shows("gpu1 ", mark)
        picture = "\n".join(line.rstrip() for line in shown.text.splitlines())
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert _still(picture) in _still(readme), f"put this into the README:\n{picture}"


def _still(text: str) -> str:
    """Without the seconds, which pass."""
    return SECONDS.sub(lambda found: "0" * len(found.group()), text)
