"""A screen that a digit opens. It gets what the app knows while it is shown, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.reactive import var
from textual.screen import Screen
from textual.widgets import Footer

from studio_core.paths import shipped
from studio_tui.bridge import Bridge
from studio_tui.view import View
from studio_tui.widgets.top_bar import TopBar

STYLES = shipped("styles")


class Place(Screen[None]):
    """Subclasses give `content` and `show(view)`; `tick` comes at the app's pace, also when nothing has changed."""

    # A `reactive` would paint the whole screen at each change.
    view: var[View] = var(View(), init=False)

    def __init__(self, bridge: Bridge, places: Sequence[tuple[str, str]], title: str) -> None:
        super().__init__()
        self.bridge = bridge
        self._bar = TopBar(places, title)

    def compose(self) -> ComposeResult:
        yield self._bar
        yield from self.content()
        yield Footer(show_command_palette=False)

    def content(self) -> ComposeResult:
        yield from ()

    def watch_view(self, view: View) -> None:
        if self.is_mounted:
            self._bar.fill(view)
            self.show(view)

    def show(self, view: View) -> None:
        """Hand the data down."""

    async def tick(self) -> None:
        """Take what streams have brought."""
