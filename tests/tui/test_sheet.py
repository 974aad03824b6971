"""The app's styles are parsed once per theme, and another theme has other colours all the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from textual.css import parse as textual
from textual.css import stylesheet
from textual.css.model import RuleSet

from studio_tui import theme
from tests.tui import scene
from tests.tui.opened import opened, stage_in
from tests.wait import eventually


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> Counter[Any]:
    """How often Textual's parser saw each source."""
    seen: Counter[Any] = Counter()

    def parse(scope: str, css: str, read_from: Any, **more: Any) -> Iterable[RuleSet]:
        seen[read_from] += 1
        return textual.parse(scope, css, read_from, **more)

    monkeypatch.setattr(stylesheet, "parse", parse)
    return seen


async def test_once_per_theme(tmp_path: Path, parsed: Counter[Any]) -> None:
    stage = stage_in(tmp_path)
    scene.busy(stage)
    async with opened(stage, (100, 30)) as shown:
        app = shown.app
        for key in "291":
            await shown.press(key)
            await shown.still()
        assert set(parsed.values()) == {1}
        before, sources = app.screen.styles.background, set(parsed)
        app.theme = next(each.name for each in theme.ALL if each.dark != app.current_theme.dark)
        await eventually(lambda: app.screen.styles.background != before, what="another ground")
        assert {parsed[one] for one in sources} == {2}
