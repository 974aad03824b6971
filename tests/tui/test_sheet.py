"""The app's styles are parsed once per theme, and another theme has other colours all the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from textual.app import App, ComposeResult
from textual.css import parse as textual
from textual.css import stylesheet
from textual.css.model import RuleSet
from textual.dom import DOMNode
from textual.widget import Widget

from studio_tui import theme
from studio_tui.sheet import Sheet
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


async def test_parts_are_worked_out_anew_only_for_another_theme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    worked: Counter[str] = Counter()
    whole = stylesheet.Stylesheet._process_component_classes

    def process(self: stylesheet.Stylesheet, node: DOMNode) -> None:
        worked[type(node).__name__] += 1
        whole(self, node)

    monkeypatch.setattr(stylesheet.Stylesheet, "_process_component_classes", process)
    stage = stage_in(tmp_path)
    scene.busy(stage)
    async with opened(stage, (100, 30)) as shown:
        app = shown.app
        assert worked["Board"] == worked["Footer"] == 1, "size, opening and focus tell nothing new"
        board = app.screen.query_one("#board")
        app.set_focus(None)
        await shown.still()
        assert worked["Board"] == 1
        before = board.get_component_rich_style("board--good")
        app.theme = theme.CONTRAST.name
        await eventually(lambda: board.get_component_rich_style("board--good") != before, what="other colours")
        assert worked["Board"] == 2


class Lamp(Widget, can_focus=True):
    COMPONENT_CLASSES = {"lamp--light"}
    DEFAULT_CSS = """
    Lamp > .lamp--light { color: red; }
    Lamp.-bright > .lamp--light { color: yellow; }
    Lamp:focus > .lamp--light { color: green; }
    """


class Lit(App[None]):
    AUTO_FOCUS = None

    def __init__(self) -> None:
        super().__init__()
        self.stylesheet = Sheet(variables=self.get_css_variables())

    def compose(self) -> ComposeResult:
        yield Lamp()


async def test_parts_follow_what_their_styles_ask_for() -> None:
    app = Lit()
    async with app.run_test():
        lamp = app.query_one(Lamp)

        def colour() -> str:
            return str(lamp.get_component_styles("lamp--light").color)

        red = colour()
        lamp.add_class("-bright")
        yellow = colour()
        lamp.focus()
        await eventually(lambda: colour() not in (red, yellow), what="the light of the focus")
        app.set_focus(None)
        await eventually(lambda: colour() == yellow, what="the light as before")
        lamp.remove_class("-bright")
        assert colour() == red
