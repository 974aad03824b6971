"""The keys that work now, as many as fit: help, which names them all, the switcher and the way out never fall off the edge."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len
from textual import events
from textual import widgets as textual
from textual.app import ComposeResult
from textual.widgets._footer import FooterKey

STAY = frozenset({"app.switch_model", "app.help", "app.leave"})
# Around a key and after its word.
BLANKS = 3


class Footer(textual.Footer):
    def __init__(self) -> None:
        super().__init__(show_command_palette=False)
        self._width = 0

    def compose(self) -> ComposeResult:
        self._width = self.screen.size.width
        yield from fitting([one for one in super().compose() if isinstance(one, FooterKey)], self._width)

    def on_mount(self) -> None:
        # On a busy machine the screen tells of its keys before this one listens.
        self.bindings_changed(self.screen)

    def on_resize(self, event: events.Resize) -> None:
        if self._bindings_ready and self.screen.size.width != self._width:
            self.call_after_refresh(self.recompose)


def fitting(keys: Sequence[FooterKey], width: int) -> list[FooterKey]:
    """The keys that fit into a line; the later ones go first, because a screen names the most used first."""
    found = list(keys)
    for one in reversed(keys):
        if sum(map(_width, found)) <= width:
            break
        if one.action not in STAY:
            found.remove(one)
    return found


def _width(key: FooterKey) -> int:
    return cell_len(key.key_display) + cell_len(key.description) + BLANKS
