"""A table of plain text: fixed and flexible columns, one row under the cursor, only changed lines repainted.

Cells are never parsed as markup, and rows keep their place by key while the data under them moves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from studio_tui.keymap import bindings

GAP = 2
TONES = ("good", "busy", "bad", "quiet", "accent")


class Cell(NamedTuple):
    """`tone` is one of TONES, or empty for the row's own colour."""

    text: str
    tone: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """`flex` is its share of what is left over. Below `needs` cells of table width the column is not shown."""

    title: str
    width: int
    flex: int = 0
    right: bool = False
    needs: int = 0


@dataclass(frozen=True, slots=True)
class Row:
    key: str
    cells: tuple[Cell, ...]


def fit(text: str, width: int, right: bool = False) -> str:
    """The text in exactly `width` cells, cut with an ellipsis."""
    if cell_len(text) > width:
        text = set_cell_size(text, max(0, width - 1)) + "\u2026" if width > 0 else ""
    pad = " " * max(0, width - cell_len(text))
    return pad + text if right else text + pad


class Table(ScrollView, can_focus=True):
    """Give it rows with `fill`; it tells `Moved` and `Chosen`."""

    BINDINGS = bindings("table")
    COMPONENT_CLASSES = {"table--header", "table--cursor", "table--blurred", *(f"table--{tone}" for tone in TONES)}

    @dataclass
    class Moved(Message):
        table: Table
        key: str

        @property
        def control(self) -> Table:
            return self.table

    @dataclass
    class Chosen(Moved):
        """A row was clicked twice. Enter is the screen's own action."""

    def __init__(self, columns: Sequence[Column], empty: str = "", header: bool = True, ident: str | None = None) -> None:
        super().__init__(id=ident)
        self._columns = tuple(columns)
        self._rows: tuple[Row, ...] = ()
        self._empty = empty
        self._header = int(header)
        self._at = 0

    # Data down.

    def fill(self, rows: Sequence[Row], empty: str | None = None) -> None:
        """Show these rows. The cursor stays on its key, or near where it was."""
        old, key = self._rows, self.key
        if empty is not None and empty != self._empty:
            self._empty = empty
            self.refresh()
        if tuple(rows) == old:
            return
        self._rows = tuple(rows)
        self._at = next((at for at, row in enumerate(rows) if row.key == key), min(self._at, max(0, len(rows) - 1)))
        self.virtual_size = Size(0, len(rows) + self._header)
        for y in range(max(len(old), len(rows))):
            if old[y:y + 1] != self._rows[y:y + 1]:
                self._refresh_row(y)
        if not old or not rows:
            self.refresh()
        if self.key != key and self.key is not None:
            self.post_message(self.Moved(self, self.key))

    @property
    def key(self) -> str | None:
        """The key of the row under the cursor."""
        return self._rows[self._at].key if self._at < len(self._rows) else None

    def select(self, key: str) -> None:
        for at, row in enumerate(self._rows):
            if row.key == key:
                self._move(at)

    # The cursor.

    def _move(self, at: int) -> None:
        at = max(0, min(at, len(self._rows) - 1))
        if not self._rows or at == self._at:
            return
        old, self._at = self._at, at
        self._refresh_row(old)
        self._refresh_row(at)
        self.scroll_to_region(Region(0, at, 1, 1 + self._header), animate=False, force=True)
        self.post_message(self.Moved(self, self._rows[at].key))

    def action_up(self) -> None:
        self._move(self._at - 1)

    def action_down(self) -> None:
        self._move(self._at + 1)

    def action_first(self) -> None:
        self._move(0)

    def action_last(self) -> None:
        self._move(len(self._rows) - 1)

    def action_page_up(self) -> None:
        self._move(self._at - max(1, self.size.height - 1 - self._header))

    def action_page_down(self) -> None:
        self._move(self._at + max(1, self.size.height - 1 - self._header))

    def on_click(self, event: events.Click) -> None:
        at = event.y - self._header + self.scroll_offset.y
        if event.y >= self._header and 0 <= at < len(self._rows):
            self._move(at)
            if event.chain == 2:
                self.post_message(self.Chosen(self, self._rows[at].key))

    def on_focus(self) -> None:
        self._refresh_row(self._at)

    def on_blur(self) -> None:
        self._refresh_row(self._at)

    # Drawing.

    def _refresh_row(self, at: int) -> None:
        self.refresh(Region(0, at + self._header - self.scroll_offset.y, self.size.width, 1))

    def _widths(self) -> tuple[int, ...]:
        """The width of each column, 0 for one that is not shown."""
        width = self.scrollable_content_region.width - GAP
        shown = [column.needs <= width + GAP for column in self._columns]
        fixed = sum(column.width + GAP for column, is_shown in zip(self._columns, shown, strict=True) if is_shown)
        spare = max(0, width - fixed + GAP)
        shares = sum(column.flex for column, is_shown in zip(self._columns, shown, strict=True) if is_shown)
        return tuple(
            column.width + (spare * column.flex // shares if shares else 0) if is_shown else 0
            for column, is_shown in zip(self._columns, shown, strict=True)
        )

    def render_line(self, y: int) -> Strip:
        base = self.rich_style
        if y < self._header:
            titles = tuple(Cell(column.title) for column in self._columns)
            return self._line("  ", titles, base + self._tone("header"))
        at = y - self._header + self.scroll_offset.y
        if at >= len(self._rows):
            return self._blank(y - self._header, base)
        if at != self._at:
            return self._line("  ", self._rows[at].cells, base)
        style = self.get_component_rich_style("table--cursor" if self.has_focus else "table--blurred")
        return self._line("\u25b8 " if self.has_focus else "  ", self._rows[at].cells, style)

    def _tone(self, name: str) -> Style:
        """The colour of a tone without its background, so that it goes on every row."""
        style = self.get_component_rich_style(f"table--{name}")
        return Style(color=style.color, bold=style.bold)

    def _blank(self, y: int, base: Style) -> Strip:
        text = self._empty if not self._rows and y == 0 else ""
        return Strip([Segment(fit("  " + text, self.size.width), base + self._tone("quiet"))])

    def _line(self, lead: str, cells: Sequence[Cell], style: Style) -> Strip:
        segments = [Segment(lead, style)]
        for cell, column, width in zip(cells, self._columns, self._widths(), strict=True):
            if width:
                tone = self._tone(cell.tone) if cell.tone else Style.null()
                segments.append(Segment(fit(cell.text, width, column.right) + " " * GAP, style + tone))
        return Strip(segments).adjust_cell_length(self.size.width, style).simplify()
