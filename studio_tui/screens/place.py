"""A screen that a digit opens. It gets what the app knows while it is shown, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, ClassVar, Protocol, runtime_checkable

from textual import events, on
from textual.app import ComposeResult
from textual.reactive import var
from textual.screen import Screen

from studio_core.paths import shipped
from studio_tui import action
from studio_tui.bridge import Bridge
from studio_tui.pulse import SECOND_S
from studio_tui.view import View
from studio_tui.widgets.alert import Alert
from studio_tui.widgets.footer import Footer
from studio_tui.widgets.top_bar import TopBar

STYLES = shipped("styles")
# For rooms in which nothing moves by the second.
CALM_S = 5.0


@runtime_checkable
class Kept(Protocol):
    """A widget with an id whose state outlives the app. `keep` gives it as JSON has it; `recall` takes what a file says."""

    def keep(self) -> Any: ...
    def recall(self, kept: Any) -> None: ...


@runtime_checkable
class Looking(Protocol):
    """A screen over a place that shows what is new: `look` comes once a second."""

    def look(self) -> None: ...


class Place(Screen[None]):
    """Subclasses give `content` and `show(view)`; `tick` comes at the app's pace, also when nothing has changed."""

    # A `reactive` would paint the whole screen at each change.
    view: var[View] = var(View(), init=False)

    def __init__(self, bridge: Bridge, places: Sequence[tuple[str, str]], title: str, read_only: bool = False,
                 kept: dict[str, Any] | None = None) -> None:
        super().__init__()
        self.bridge = bridge
        self.read_only = read_only
        self._bar = TopBar(places, title, read_only)
        self._alert = Alert()
        self._kept = kept or {}

    def compose(self) -> ComposeResult:
        self._bar.fill(self.view)
        yield self._bar
        yield self._alert
        yield from self.content()
        yield Footer(self.app.get_key_display)

    def content(self) -> ComposeResult:
        yield from ()

    def watch_view(self, old: View, view: View) -> None:
        if self.is_mounted:
            self._bar.fill(view)
            self._alert.fill(view)
            self.show(view)
            if view.link.state == "live" and old.link.state != "live":
                self.read()

    @on(events.ScreenResume)
    def _opened_again(self) -> None:
        if self.view.link.state == "live":
            self.read()

    def show(self, view: View) -> None:
        """Hand the data down."""

    def read(self) -> None:
        """Ask for what nobody tells by itself: the place was opened, or Studio is there, for the first time or again."""

    @on(events.Mount)
    def _recall(self) -> None:
        for name, widget in self._keepers():
            if name in self._kept:
                widget.recall(self._kept[name])
        self.recalled(self._kept)

    def keep(self) -> dict[str, Any]:
        """What this place is to come back with: what its widgets say, and `extra`."""
        return {**self.extra(), **{name: widget.keep() for name, widget in self._keepers()}}

    def _keepers(self) -> list[tuple[str, Kept]]:
        return [(node.id, node) for node in self.query("*") if node.id and isinstance(node, Kept)]

    def extra(self) -> dict[str, Any]:
        """Filters and options of the place itself, by names that no widget has for its id."""
        return {}

    def recalled(self, kept: dict[str, Any]) -> None:
        """Take up what `extra` gave. The file may say anything: check it."""

    def back(self) -> bool:
        """One level back inside this place; False where there is none, and the app is left."""
        return False

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """In read-only mode an action that changes something is not there: no key, no footer, no palette, no help."""
        return not (self.read_only and action in self._changing)

    @property
    def _changing(self) -> frozenset[str]:
        return changing(type(self))

    # What changes what can be done is told at once anyway.
    REST_S: ClassVar[float] = SECOND_S

    @property
    def pace(self) -> float:
        """Seconds to the next `tick`: fast only while something moves. How long a connection is lost moves in every room."""
        return self.REST_S if self.view.link.state == "live" else SECOND_S

    async def tick(self) -> None:
        """Take what streams have brought."""


@cache
def changing(kind: type[Place]) -> frozenset[str]:
    """What the actions of a place that change something are called."""
    ids = {str(getattr(each, "id", "")) for each in kind.BINDINGS}
    return frozenset(one.call for one in action.TABLE if one.changes and one.id in ids)
