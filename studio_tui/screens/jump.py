"""A letter over each thing that can take the focus: pressed, it has it. Any other key leaves everything as it was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from textual import events
from textual.app import ComposeResult
from textual.geometry import Offset, Region, Size
from textual.screen import ModalScreen, Screen
from textual.widget import Widget
from textual.widgets import Static

from studio_tui.keymap import bindings
from studio_tui.screens.place import STYLES

# Where fingers rest comes first.
LETTERS = "asdfghjklqwertyuiopzxcvbnm"
# Cells of a letter with what stands around it.
SIGN = 3


class Jump(ModalScreen[Widget | None]):
    """`targets` are the widgets of the screen below, by letter, and where they stood in `size`. Gives the one that was meant."""

    CSS_PATH = STYLES / "jump.tcss"
    BINDINGS = bindings("jump")

    def __init__(self, targets: Mapping[str, tuple[Widget, Offset]], size: Size) -> None:
        super().__init__()
        self._targets = targets
        self._size = size

    def compose(self) -> ComposeResult:
        for letter, (_, place) in self._targets.items():
            sign = Static(f"[{letter}]", markup=False)
            sign.styles.offset = place
            yield sign

    def on_key(self, event: events.Key) -> None:
        event.stop()
        event.prevent_default()
        self.dismiss(self._targets.get((event.character or "").lower(), (None,))[0])

    def on_click(self) -> None:
        self.dismiss(None)

    def on_resize(self, event: events.Resize) -> None:
        """Things stand elsewhere now."""
        if event.size != self._size:
            self.dismiss(None)

    def action_close(self) -> None:
        self.dismiss(None)


def targets(screen: Screen[object]) -> dict[str, tuple[Widget, Offset]]:
    """What can take the focus and is in sight, by letter, from the top left on."""
    seen = [(one, region) for one in screen.focus_chain if (region := screen.find_widget(one).visible_region)]
    seen.sort(key=lambda pair: (pair[1].y, pair[1].x))
    return dict(zip(LETTERS, apart(seen, screen.size), strict=False))


def apart(seen: Sequence[tuple[Widget, Region]], size: Size) -> list[tuple[Widget, Offset]]:
    """None over another (a page and its first field stand in one place), and none beyond the edge."""
    taken: set[tuple[int, int]] = set()
    found = []
    for widget, region in seen:
        x, y = max(0, min(region.x, size.width - SIGN)), region.y
        while any((x + near, y) in taken for near in range(1 - SIGN, SIGN)):
            x, y = (x + SIGN, y) if x + 2 * SIGN <= size.width else (0, y + 1)
        taken.add((x, y))
        found.append((widget, Offset(x, y)))
    return found
