"""The dashboard's canvas: one widget, so that a tick costs one comparison and the lines that changed."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.filter import LineFilter
from textual.geometry import Region, Size
from textual.strip import Strip
from textual.widget import Widget

from studio_tui import glyph
from studio_tui.board import layout, model
from studio_tui.board.glyph import UNICODE
from studio_tui.board.span import TONES, Line, plain
from studio_tui.keymap import bindings
from studio_tui.letter import Letter
from studio_tui.painter import pen
from studio_tui.view import View


class Board(Widget, can_focus=True):
    """`fill` it with what is known. The cursor is on a model, by its key."""

    BINDINGS = bindings("table")
    COMPONENT_CLASSES = {f"board--{tone}" for tone in TONES}

    class Chosen(Letter):
        """A model was clicked twice."""

        key: str

    def __init__(self, view: View, ident: str | None = None) -> None:
        super().__init__(id=ident)
        self.signs = UNICODE
        self._view = view
        self._key = ""
        self._lines: list[Line] = []
        self._styles: dict[str, Style] = {}
        # Lines as they are written, and what the filters were then.
        self._strips: dict[int, Strip] = {}
        self._drawn = Size(0, 0)
        self._filters: Sequence[LineFilter] = ()

    def fill(self, view: View) -> None:
        self._view = view
        self._draw()

    @property
    def key(self) -> str:
        """The model under the cursor; empty where there is none."""
        keys = self._keys()
        return self._key if self._key in keys else keys[0] if keys else ""

    def _keys(self) -> list[str]:
        return [model.key(one) for one in model.entries(self._view)]

    def _draw(self) -> None:
        """Have the lines painted that differ; all of them where the size is another."""
        if not all(self.size):
            return
        old = self._lines if self._drawn == self.size else []
        self._line_up()
        if not old:
            self.refresh()
            return
        changed = [y for y, (before, now) in enumerate(zip(old, self._lines, strict=True)) if before != now]
        if changed:
            for y in changed:
                self._strips.pop(y, None)
            self.refresh(*[Region(0, y, self._drawn.width, 1) for y in changed])

    def _line_up(self) -> None:
        if self._drawn != self.size:
            self._drawn = self.size
            self._strips.clear()
        self._lines = layout.draw(self._view, *self.size, self.key, self.has_focus, self.signs)

    def on_resize(self) -> None:
        if self._drawn != self.size:
            self._draw()

    def on_focus(self) -> None:
        self._draw()

    def on_blur(self) -> None:
        self._draw()

    def notify_style_update(self) -> None:
        self._forget()
        super().notify_style_update()

    def _forget(self) -> None:
        self._styles, self._strips = {}, {}

    def render_lines(self, crop: Region) -> list[Strip]:
        """Textual would look at borders, effects and filters of each line, also of those that stay as they are."""
        filters = self.get_line_filters()
        if filters != self._filters:
            self._filters = filters
            self._forget()
        if self._drawn != self.size:
            self._line_up()
        found = [self.render_line(y) for y in crop.line_range]
        begin, end = crop.column_span
        return found if (begin, end) == (0, self.size.width) else [strip.crop(begin, end) for strip in found]

    def render_line(self, y: int) -> Strip:
        found = self._strips.get(y)
        if found is None:
            found = self._strips[y] = self._strip(y)
        return found

    def _strip(self, y: int) -> Strip:
        if y >= len(self._lines):
            return Strip.blank(self.size.width, self._style(""))
        style = self._style
        if any(isinstance(each, glyph.Plain) for each in self._filters):
            return Strip([Segment(glyph.plain(text), style(tone)) for text, tone in self._lines[y]], self._drawn.width)
        return Strip([Segment(text, style(tone)) for text, tone in self._lines[y]], self._drawn.width)

    def _style(self, tone: str) -> Style:
        """A tone's style as the filters leave it, on the ground."""
        found = self._styles.get(tone)
        if found is None:
            found = self.get_component_rich_style(f"board--{tone}") if tone else self.rich_style
            _, ground = self.background_colors
            found = Style.from_color(None, ground.rich_color) + found
            for each in self._filters:
                (segment,) = each.apply([Segment("x", found)], ground)
                found = segment.style or found
            self._styles[tone] = found
        return found

    def pens(self, console: Console) -> dict[str, str]:
        """The SGR parameters of each tone."""
        found = {tone: pen(self._style(tone), console._color_system, console.no_color) for tone in ("", *TONES)}
        return {tone: ";".join(filter(None, one[:3])) for tone, one in found.items()}

    # The cursor.

    def _move(self, by: int) -> None:
        keys = self._keys()
        if keys:
            self._key = keys[max(0, min(len(keys) - 1, keys.index(self.key) + by))]
            self._draw()

    def action_up(self) -> None:
        self._move(-1)

    def action_down(self) -> None:
        self._move(1)

    def action_first(self) -> None:
        self._move(-len(self._keys()))

    def action_last(self) -> None:
        self._move(len(self._keys()))

    def action_page_up(self) -> None:
        self._move(-5)

    def action_page_down(self) -> None:
        self._move(5)

    def on_click(self, event: events.Click) -> None:
        """A model is found by its name: its line is where it was drawn."""
        text = plain(self._lines[event.y]) if event.y < len(self._lines) else ""
        for one in model.entries(self._view):
            if text[1:].lstrip(f"{self.signs.here} ").startswith(one.name) and one.name:
                self._key = model.key(one)
                self._draw()
                if event.chain == 2:
                    self.post_message(self.Chosen(self._key))
                return
