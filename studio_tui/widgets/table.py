"""A table of plain text: fixed and flexible columns, one row under the cursor, marks, only changed lines repainted.

Cells are never parsed as markup, and rows keep their place by key while the data under them moves. Of thousands of rows only
those in sight are made and drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from msgspec import Struct
from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Region, Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from studio_core.paths import shipped
from studio_tui.keymap import bindings
from studio_tui.letter import Letter

GAP = 2
TONES = ("good", "busy", "bad", "quiet", "accent")
CURSOR, MARK = "\u25b8", "\u2713"
UPWARD, DOWNWARD = "\u25b4", "\u25be"


class Cell(NamedTuple):
    """`tone` is one of TONES, or empty for the row's own colour."""

    text: str
    tone: str = ""


class Column(Struct, frozen=True):
    """`flex` is its share of what is left over. Below `needs` cells of table width the column is not shown."""

    title: str
    width: int
    flex: int = 0
    right: bool = False
    needs: int = 0


class Row(Struct, frozen=True):
    key: str
    cells: tuple[Cell, ...]


@lru_cache(maxsize=64)
def widths(columns: tuple[Column, ...], cells: int) -> tuple[int, ...]:
    """The width of each column in a table of `cells`, 0 for one that is not shown."""
    shown = [column.needs <= cells for column in columns]
    fixed = sum(column.width + GAP for column, is_shown in zip(columns, shown, strict=True) if is_shown)
    spare = max(0, cells - fixed)
    shares = sum(column.flex for column, is_shown in zip(columns, shown, strict=True) if is_shown)
    return tuple(
        column.width + (spare * column.flex // shares if shares else 0) if is_shown else 0
        for column, is_shown in zip(columns, shown, strict=True)
    )


@lru_cache(maxsize=4096)
def fit(text: str, width: int, right: bool = False) -> str:
    """The text in exactly `width` cells, cut with an ellipsis."""
    if cell_len(text) > width:
        text = set_cell_size(text, max(0, width - 1)) + "\u2026" if width > 0 else ""
    pad = " " * max(0, width - cell_len(text))
    return pad + text if right else text + pad


class Table(ScrollView, can_focus=True):
    """Give it rows with `fill`, or keys and a way to make the row of a place with `flow`; it tells `Moved` and `Chosen`."""

    DEFAULT_CSS = (shipped("styles") / "table.tcss").read_text(encoding="utf-8")
    BINDINGS = bindings("table")
    COMPONENT_CLASSES = {"table--header", "table--cursor", "table--blurred", *(f"table--{tone}" for tone in TONES)}

    class Moved(Letter):
        table: Table
        key: str

        @property
        def control(self) -> Table:
            return self.table

    class Chosen(Moved):
        """A row was clicked twice. Enter is the screen's own action."""

    class Headed(Letter):
        """The title of a column was clicked."""

        table: Table
        column: int

        @property
        def control(self) -> Table:
            return self.table

    def __init__(self, columns: Sequence[Column], empty: str = "", header: bool = True, ident: str | None = None) -> None:
        super().__init__(id=ident)
        self._columns = tuple(columns)
        self._keys: tuple[str, ...] = ()
        self._row_at: Callable[[int], Row] | None = None
        # What was last drawn, by key: a row that says the same is not painted again.
        self._drawn: dict[int, Row] = {}
        self._empty = empty
        self._header = int(header)
        self._at = 0
        self._wanted: str | None = None
        self._order: tuple[int, bool] | None = None
        self._marked: frozenset[str] = frozenset()
        self._styles: dict[tuple[str, str], Style] = {}
        # Its cursor is the one that counts although the keys go to an input beside it.
        self.leads = False

    # Data down.

    def fill(self, rows: Sequence[Row], empty: str | None = None) -> None:
        """Show these rows. The cursor stays on its key, or near where it was."""
        self.flow(tuple(row.key for row in rows), rows.__getitem__, empty)

    def flow(self, keys: tuple[str, ...], row_at: Callable[[int], Row], empty: str | None = None) -> None:
        """The same with rows that are made when they come into sight: `row_at(place)`."""
        old, key, before = self._keys, self.key, self._at
        if empty is not None and empty != self._empty:
            self._empty = empty
            self.refresh()
        self._row_at = row_at
        if keys != old:
            self._keys = keys
            self._at = self._place(self._wanted if self._wanted in keys else key, keys)
            self._wanted = None if self._wanted in keys else self._wanted
            self.virtual_size = Size(0, max(1, len(keys)) + self._header)
            if bool(old) != bool(keys) or len(keys) < len(old):
                self.refresh()
        self._repaint()
        if self._at != before:
            self.scroll_to_region(Region(0, self._at, 1, 1 + self._header), animate=False, force=True)
        if self.key != key and self.key is not None:
            self.post_message(self.Moved(self, self.key))

    def _place(self, key: str | None, keys: Sequence[str]) -> int:
        """Where the cursor belongs: at its key; of many rows a search, not a walk in Python."""
        try:
            return keys.index(key) if key is not None else min(self._at, max(0, len(keys) - 1))
        except ValueError:
            return min(self._at, max(0, len(keys) - 1))

    def _repaint(self) -> None:
        """Of the lines in sight those whose text is another."""
        sight = self._sight()
        self._drawn = {at: self._drawn[at] for at in sight if at in self._drawn}
        for at in sight:
            if self._drawn.get(at) != self._row(at):
                self._refresh_row(at)

    def _sight(self) -> range:
        first = self.scroll_offset.y
        return range(first, min(len(self._keys), first + max(0, self.size.height - self._header)))

    def _row(self, at: int) -> Row | None:
        return self._row_at(at) if self._row_at is not None and at < len(self._keys) else None

    @property
    def key(self) -> str | None:
        """The key of the row under the cursor."""
        return self._keys[self._at] if self._at < len(self._keys) else None

    def keep(self) -> Any:
        return self.key or self._wanted

    def recall(self, kept: Any) -> None:
        """The cursor goes to this key as soon as there is such a row, unless somebody moves it before."""
        self._wanted = kept if isinstance(kept, str) else None

    def select(self, key: str) -> None:
        if key in self._keys:
            self._move(self._keys.index(key))

    def order(self, column: int, down: bool) -> None:
        """Say in the header by which column the rows are sorted."""
        if self._order != (column, down):
            self._order = column, down
            self.refresh(Region(0, 0, self.size.width, 1))

    def mark(self, keys: frozenset[str]) -> None:
        """These rows are marked."""
        changed, self._marked = self._marked ^ keys, keys
        for at in self._sight():
            if self._keys[at] in changed:
                self._refresh_row(at)

    # The cursor.

    def _move(self, at: int) -> None:
        self._wanted = None
        at = max(0, min(at, len(self._keys) - 1))
        if not self._keys or at == self._at:
            return
        old, self._at = self._at, at
        self._refresh_row(old)
        self._refresh_row(at)
        self.scroll_to_region(Region(0, at, 1, 1 + self._header), animate=False, force=True)
        self.post_message(self.Moved(self, self._keys[at]))

    def action_up(self) -> None:
        self._move(self._at - 1)

    def action_down(self) -> None:
        self._move(self._at + 1)

    def action_first(self) -> None:
        self._move(0)

    def action_last(self) -> None:
        self._move(len(self._keys) - 1)

    def action_page_up(self) -> None:
        self._move(self._at - max(1, self.size.height - 1 - self._header))

    def action_page_down(self) -> None:
        self._move(self._at + max(1, self.size.height - 1 - self._header))

    def on_click(self, event: events.Click) -> None:
        if event.y < self._header:
            self._head(event.x)
            return
        at = event.y - self._header + self.scroll_offset.y
        if 0 <= at < len(self._keys):
            self._move(at)
            if event.chain == 2:
                self.post_message(self.Chosen(self, self._keys[at]))

    def _head(self, x: int) -> None:
        left = GAP
        for column, width in enumerate(self._widths()):
            if width and left <= x < left + width + GAP:
                self.post_message(self.Headed(self, column))
            left += width + GAP if width else 0

    def on_focus(self) -> None:
        self._refresh_row(self._at)

    def on_blur(self) -> None:
        self._refresh_row(self._at)

    # Drawing.

    def _refresh_row(self, at: int) -> None:
        self.refresh(Region(0, at + self._header - self.scroll_offset.y, self.size.width, 1))

    def _widths(self) -> tuple[int, ...]:
        return widths(self._columns, self.scrollable_content_region.width)

    def notify_style_update(self) -> None:
        self._styles.clear()
        super().notify_style_update()

    def render_line(self, y: int) -> Strip:
        if y < self._header:
            titles = tuple(Cell(self._title(at, column)) for at, column in enumerate(self._columns))
            return self._line("  ", titles, "", "header")
        at = y - self._header + self.scroll_offset.y
        row = self._row(at)
        if row is None:
            self._drawn.pop(at, None)
            return self._blank(y - self._header)
        self._drawn[at] = row
        here = at == self._at
        lively = self.has_focus or self.leads
        lead = (CURSOR if here and lively else " ") + (MARK if row.key in self._marked else " ")
        return self._line(lead, row.cells, ("cursor" if lively else "blurred") if here else "")

    def _title(self, at: int, column: Column) -> str:
        if self._order is None or self._order[0] != at:
            return column.title
        return f"{column.title}{DOWNWARD if self._order[1] else UPWARD}"

    def _style(self, ground: str, tone: str) -> Style:
        """The colour of a tone on a ground. Kept: Textual forgets what it worked out with each `refresh`."""
        found = self._styles.get((ground, tone))
        if found is None:
            found = self.get_component_rich_style(f"table--{ground}") if ground else self.rich_style
            if tone:
                # Without its background, so that it goes on every row.
                style = self.get_component_rich_style(f"table--{tone}")
                found += Style(color=style.color, bold=style.bold)
            self._styles[ground, tone] = found
        return found

    def _blank(self, y: int) -> Strip:
        text = self._empty if not self._keys and y == 0 else ""
        return Strip([Segment(fit("  " + text, self.size.width), self._style("", "quiet"))])

    def _line(self, lead: str, cells: Sequence[Cell], ground: str, tone: str = "") -> Strip:
        """Neighbours of one tone are one segment: what comes after works segment by segment."""
        segments: list[Segment] = []
        text, held, taken = lead, tone, len(lead)
        for cell, column, width in zip(cells, self._columns, self._widths(), strict=True):
            if width:
                if (cell.tone or tone) != held:
                    segments.append(Segment(text, self._style(ground, held)))
                    text, held = "", cell.tone or tone
                text += fit(cell.text, width, column.right) + " " * GAP
                taken += width + GAP
        segments.append(Segment(text, self._style(ground, held)))
        return Strip(segments, taken).adjust_cell_length(self.size.width, self._style(ground, tone))
