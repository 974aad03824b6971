"""Rows from an anchor: what is drawn is found from one place on, forward or backward, whatever lies beyond it.

Nothing counts the whole, so a log of many gigabytes and a chat of ten thousand messages cost what is on the screen.
It follows the end until somebody scrolls away; at the end it follows again.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Region, Size
from textual.message import Message
from textual.selection import Selection
from textual.strip import Strip
from textual.widget import Widget

from studio_core.paths import shipped
from studio_tui.keymap import bindings

END = 1 << 62
STEP = 8
WHEEL = 3
THUMB, TRACK = "\u2590", " "


class Block(NamedTuple):
    """Something with rows; places grow downward."""

    place: int
    rows: Sequence[Strip]


class Row(NamedTuple):
    place: int
    number: int
    strip: Strip


class Reel(Widget, can_focus=True):
    """Subclasses give `before` and `after`. Tells `Changed` when what it would say of itself has changed."""

    DEFAULT_CSS = (shipped("styles") / "reel.tcss").read_text(encoding="utf-8")
    BINDINGS = bindings("view")
    COMPONENT_CLASSES = {"reel--note", "reel--thumb", "reel--selected"}
    ALLOW_SELECT = True

    class Changed(Message):
        """It follows or pauses, found or forgot something."""

    def __init__(self, ident: str | None = None) -> None:
        super().__init__(id=ident)
        self.follow = True
        self.empty = ""
        self._place, self._skip, self._left = 0, 0, 0
        self._page: list[Row] = []
        self._bar = -1
        # Asking Textual for size and styles costs a millisecond, and every row would ask.
        self._extent = Size(0, 0)
        self._kept_styles: dict[str, Style] = {}

    # What subclasses give.

    @abstractmethod
    def before(self, place: int) -> Iterator[Block]:
        """The blocks that begin before a place, the last one first."""

    @abstractmethod
    def after(self, place: int) -> Iterator[Block]:
        """The block at a place and those that follow."""

    def share(self, place: int) -> float:
        """How far down a place is, 0 to 1."""
        return 0.0

    # The page.

    @property
    def width(self) -> int:
        """Cells for text: the last column is the bar."""
        return max(1, self._extent.width - 1)

    @property
    def page(self) -> Sequence[Row]:
        return self._page

    @property
    def at_top(self) -> bool:
        """Nothing stands above the page."""
        return bool(self._page) and next(self._up(self._page[0].place, self._page[0].number), None) is None

    @property
    def shown(self) -> list[str]:
        """The rows on the screen, as plain text."""
        return [row.strip.text.rstrip() for row in self._page]

    def rebuild(self) -> None:
        """Find the page anew and repaint the rows that changed."""
        height = self._extent.height
        if height < 1:
            return
        page = self._bottom(height) if self.follow else self._from_anchor(height)
        old, self._page = self._page, page
        for y in range(height):
            if old[y:y + 1] != page[y:y + 1] or not page:
                self.refresh(Region(0, y, self._extent.width, 1))
        bar = self._thumb(height)
        if bar != self._bar:
            self._bar = bar
            self.refresh(Region(self.width, 0, 1, height))

    def _from_anchor(self, height: int) -> list[Row]:
        page = list(islice(self._down(self._place, self._skip), height))
        if len(page) < height:
            page = self._bottom(height)
        if page:
            self._place, self._skip = page[0].place, page[0].number
        return page

    def _bottom(self, height: int) -> list[Row]:
        return list(islice(self._up(END, 0), height))[::-1]

    def _down(self, place: int, skip: int) -> Iterator[Row]:
        """Rows from one row on."""
        for block in self.after(place):
            first = skip if block.place == place else 0
            for number in range(first, len(block.rows)):
                yield Row(block.place, number, block.rows[number])

    def _up(self, place: int, skip: int) -> Iterator[Row]:
        """Rows above one row, the nearest first."""
        if skip:
            block = next(self.after(place), None)
            if block is not None and block.place == place:
                yield from (Row(place, number, block.rows[number]) for number in range(min(skip, len(block.rows)) - 1, -1, -1))
        for block in self.before(place):
            yield from (Row(block.place, number, block.rows[number]) for number in range(len(block.rows) - 1, -1, -1))

    # Moving.

    def move(self, rows: int) -> None:
        """So many rows down, or up where it is negative."""
        if not self._page:
            return
        top = self._page[0]
        if rows < 0:
            above = list(islice(self._up(top.place, top.number), -rows))
            if not above:
                return
            self.go(above[-1].place, above[-1].number)
        elif not self.follow:
            below = list(islice(self._down(top.place, top.number), rows + self._extent.height + 1))
            if len(below) <= rows + self._extent.height:
                self.to_end()
            else:
                self.go(below[rows].place, below[rows].number)

    def go(self, place: int, number: int = 0) -> None:
        """Begin the page with this row, and follow no more."""
        self._place, self._skip = place, number
        self._followed(False)
        self.rebuild()

    def centre(self, place: int) -> None:
        """Show a block in the middle."""
        above = list(islice(self._up(place, 0), self._extent.height // 2))
        top = above[-1] if above else Row(place, 0, Strip.blank(0))
        self.go(top.place, top.number)

    def to_end(self) -> None:
        self._followed(True)
        self.rebuild()

    def _followed(self, follow: bool) -> None:
        if follow != self.follow:
            self.follow = follow
            self.on_followed()
            self.post_message(self.Changed())

    def on_followed(self) -> None:
        """It follows the end, or no more."""

    # Drawing.

    def on_resize(self, _: events.Resize) -> None:
        self._extent = self.size
        self.resized()
        self.rebuild()
        self.refresh()

    def resized(self) -> None:
        """What was drawn for another width is of no use."""

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._kept_styles.clear()
        self.resized()
        self.rebuild()

    def _thumb(self, height: int) -> int:
        """The row of the bar's thumb."""
        if len(self._page) < height or (self.follow and self._page[0].place == 0):
            return -1
        if self.follow:
            return height - 1
        return round(min(1.0, self.share(self._page[0].place)) * (height - 1))

    def render_line(self, y: int) -> Strip:
        base = self._style("")
        if y < len(self._page):
            strip = self._page[y].strip.crop(self._left, self._left + self.width).adjust_cell_length(self.width, base)
        else:
            note = f"  {self.empty}" if y == 0 and not self._page else ""
            strip = Strip([Segment(note, base + self._style("reel--note"))]).adjust_cell_length(self.width, base)
        strip = self._selected(strip, y).apply_offsets(self._left, y)
        bar = THUMB if self._page and y == self._bar else TRACK
        return Strip([*strip, Segment(bar, base + self._style("reel--thumb"))], self._extent.width)

    def _style(self, name: str) -> Style:
        """A component's colour without its background; the widget's own style for an empty name."""
        kept = self._kept_styles.get(name)
        if kept is None:
            style = self.get_component_rich_style(name) if name else self.rich_style
            kept = self._kept_styles[name] = Style(color=style.color, bold=style.bold) if name else style
        return kept

    # Selecting with the mouse.

    def _selected(self, strip: Strip, y: int) -> Strip:
        selection = self.text_selection
        span = selection.get_span(y) if selection is not None else None
        if span is None:
            return strip
        start, end = max(0, span[0] - self._left), self.width if span[1] < 0 else span[1] - self._left
        parts = strip.crop(0, start), strip.crop(start, max(start, end)), strip.crop(max(start, end), self.width)
        style = self.get_component_rich_style("reel--selected")
        return Strip.join([parts[0], parts[1].apply_style(Style(bgcolor=style.bgcolor)), parts[2]])

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        return selection.extract("\n".join(self.shown)), "\n"

    def selection_updated(self, selection: Selection | None) -> None:
        self.refresh()

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self.move(WHEEL)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self.move(-WHEEL)

    # Keys.

    def action_up(self) -> None:
        self.move(-1)

    def action_down(self) -> None:
        self.move(1)

    def action_page_up(self) -> None:
        self.move(1 - self._extent.height)

    def action_page_down(self) -> None:
        self.move(self._extent.height - 1)

    def action_left(self) -> None:
        self._sideways(-STEP)

    def action_right(self) -> None:
        self._sideways(STEP)

    def _sideways(self, cells: int) -> None:
        widest = max((row.strip.cell_length for row in self._page), default=0)
        left = max(0, min(self._left + cells, widest - self.width))
        if left != self._left:
            self._left = left
            self.refresh()

    def action_first(self) -> None:
        first = next(self.after(0), None)
        if first is not None:
            self.go(first.place)

    def action_last(self) -> None:
        self.to_end()
