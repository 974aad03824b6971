"""A screen that a digit opens. It gets what the app knows while it is shown, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from textual.app import ComposeResult
from textual.reactive import var
from textual.screen import Screen
from textual.widgets import Footer

from studio_core.paths import shipped
from studio_tui import action
from studio_tui.bridge import Bridge
from studio_tui.view import View
from studio_tui.widgets.alert import Alert
from studio_tui.widgets.top_bar import TopBar

STYLES = shipped("styles")


class Place(Screen[None]):
    """Subclasses give `content` and `show(view)`; `tick` comes at the app's pace, also when nothing has changed."""

    # A `reactive` would paint the whole screen at each change.
    view: var[View] = var(View(), init=False)

    def __init__(self, bridge: Bridge, places: Sequence[tuple[str, str]], title: str, read_only: bool = False) -> None:
        super().__init__()
        self.bridge = bridge
        self.read_only = read_only
        self._bar = TopBar(places, title, read_only)
        self._alert = Alert()

    def compose(self) -> ComposeResult:
        yield self._bar
        yield self._alert
        yield from self.content()
        yield Footer(show_command_palette=False)

    def content(self) -> ComposeResult:
        yield from ()

    def watch_view(self, view: View) -> None:
        if self.is_mounted:
            self._bar.fill(view)
            self._alert.fill(view)
            self.show(view)

    def show(self, view: View) -> None:
        """Hand the data down."""

    def back(self) -> bool:
        """One level back inside this place; False where there is none, and the app is left."""
        return False

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """In read-only mode an action that changes something is not there: no key, no footer, no palette, no help."""
        return not (self.read_only and action in self._changing)

    @property
    def _changing(self) -> frozenset[str]:
        return changing(type(self))

    async def tick(self) -> None:
        """Take what streams have brought."""


@cache
def changing(kind: type[Place]) -> frozenset[str]:
    """What the actions of a place that change something are called."""
    ids = {str(getattr(each, "id", "")) for each in kind.BINDINGS}
    return frozenset(one.call for one in action.TABLE if one.changes and one.id in ids)
