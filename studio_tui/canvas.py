"""How the app gets onto the terminal: only the cells that differ, in the signs and colours that the terminal can show."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import RenderableType
from textual._compositor import CompositorUpdate
from textual.app import App
from textual.filter import LineFilter, Monochrome, NoColor
from textual.screen import Screen

from studio_tui import glyph, terminal
from studio_tui.painter import Painter

# One for all frames: lines are kept for as long as their filters are the same.
COLOURLESS = NoColor()


class Canvas(App[None]):
    """`glyphs` is the setting of that name; `taken`: the terminal shows a first frame already."""

    def __init__(self, glyphs: str, taken: bool) -> None:
        super().__init__(driver_class=terminal.driver(taken))
        self._is_ascii = glyph.is_ascii(glyphs)
        self._filters_of_ours: list[LineFilter] = [glyph.Harmless(), *([glyph.Plain()] if self._is_ascii else [])]
        self._painter = Painter()

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Without colours there are none, not greys; in ASCII mode every line is."""
        found = [COLOURLESS if isinstance(each, Monochrome) else each for each in super().get_line_filters()]
        return [*found, *self._filters_of_ours]

    def _display(self, screen: Screen[None], renderable: RenderableType | None) -> None:
        """Only the cells that differ. A frame without any is none."""
        written = self._running and not self._closed and not self._batch_count
        if written and isinstance(renderable, CompositorUpdate) and self._driver is not None and not self._driver.is_inline:
            renderable = self._painter.update(renderable, self.console, self.size)
        if renderable is None:
            self.post_display_hook()
        else:
            super()._display(screen, renderable)

    def write_raw(self, sequence: str) -> None:
        """To the terminal as it is: only what we made ourselves."""
        if sequence and self._driver is not None:
            self._driver.write(sequence)
