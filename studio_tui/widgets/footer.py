"""The keys that work now, as many as fit: help, which names them all, the switcher and the way out never fall off the edge.

One line of one widget: Textual's footer has a widget for each key, and mounts them all anew with each change of the focus.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import ActiveBinding, Binding
from textual.screen import Screen
from textual.strip import Strip
from textual.widget import Widget

from studio_tui.letter import Letter

STAY = frozenset({"app.switch_model", "app.help", "app.leave"})


class Key(NamedTuple):
    """`sign` is what is written on it; `enabled`: it does something now."""

    name: str
    sign: str
    words: str
    action: str
    enabled: bool = True

    @property
    def text(self) -> tuple[str, str]:
        """The key and its words, with blanks around."""
        return f" {self.sign} ", f"{self.words} "


class Footer(Widget):
    ALLOW_SELECT = False
    COMPONENT_CLASSES = {"footer--key", "footer--words", "footer--off"}

    class Pressed(Letter):
        """A key was clicked; this is its name."""

        key: str

    def __init__(self, sign: Callable[[Binding], str]) -> None:
        """`sign` says how a binding's key is written."""
        super().__init__()
        self._sign = sign
        self._keys: list[Key] | None = None
        self._styles: dict[str, Style] = {}

    def on_mount(self) -> None:
        self.screen.bindings_updated_signal.subscribe(self, self._changed)
        # On a busy machine the screen tells of its keys before this one listens.
        self._changed(self.screen)

    def on_resize(self) -> None:
        self._changed(self.screen)

    def _changed(self, _: Screen[object]) -> None:
        self._keys = None
        self.refresh()

    @property
    def keys(self) -> list[Key]:
        """What is shown; worked out when it is drawn, however often it changed before."""
        if self._keys is None:
            shown = (one for one in self.screen.active_bindings.values() if one.binding.show)
            self._keys = fitting(list(self._each(shown)), self.size.width)
        return self._keys

    def _each(self, bindings: Iterable[ActiveBinding]) -> Iterable[Key]:
        """The first key of each action."""
        seen: set[str] = set()
        for _, binding, enabled, _ in bindings:
            if binding.action not in seen:
                seen.add(binding.action)
                yield Key(binding.key, self._sign(binding), binding.description, binding.action, enabled)

    def notify_style_update(self) -> None:
        self._styles.clear()
        super().notify_style_update()

    def _style(self, name: str) -> Style:
        found = self._styles.get(name)
        if found is None:
            found = self._styles[name] = self.get_component_rich_style(f"footer--{name}") if name else self.rich_style
        return found

    def render_line(self, y: int) -> Strip:
        segments = []
        for key in self.keys:
            sign, words = key.text
            segments += [Segment(sign, self._style("key" if key.enabled else "off")),
                         Segment(words, self._style("words" if key.enabled else "off"))]
        return Strip(segments).adjust_cell_length(self.size.width, self._style(""))

    def on_mouse_down(self, event: events.MouseDown) -> None:
        event.stop()
        found = at(self.keys, event.x)
        if found is not None and found.enabled:
            self.post_message(self.Pressed(found.name))


def at(keys: Sequence[Key], x: int) -> Key | None:
    """The key that stands at a place of the line."""
    end = 0
    for key in keys:
        end += _width(key)
        if x < end:
            return key
    return None


def fitting(keys: Sequence[Key], width: int) -> list[Key]:
    """The keys that fit into a line; the later ones go first, because a screen names the most used first."""
    found = list(keys)
    for one in reversed(keys):
        if sum(map(_width, found)) <= width:
            break
        if one.action not in STAY:
            found.remove(one)
    return found


def _width(key: Key) -> int:
    return sum(map(cell_len, key.text))
