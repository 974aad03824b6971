"""A log: a ring of lines, of which only the visible ones are drawn. Follows the end until somebody scrolls away.

Textual's `Log` stops repainting at its `max_lines`, and `RichLog` renders every line when it is written; this does neither.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Sequence
from itertools import islice

from rich.cells import cell_len, chop_cells
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from studio_tui.keymap import bindings

LINES = 20_000
# A longer line is cut before anything looks into it.
CELLS = 2_000
STEP = 8
TONES = (
    ("bad", re.compile(r"\b(error|fatal|critical|traceback|exception)\b", re.IGNORECASE)),
    ("busy", re.compile(r"\bwarn(ing)?\b", re.IGNORECASE)),
)


class LogView(ScrollView, can_focus=True):
    """`load` and `append` lines that are already clean. Tells `Changed` when what it would say of itself has changed."""

    BINDINGS = bindings("view")
    COMPONENT_CLASSES = {"log-view--match", "log-view--here", "log-view--bad", "log-view--busy", "log-view--note"}

    class Changed(Message):
        pass

    def __init__(self, ident: str | None = None) -> None:
        super().__init__(id=ident)
        self.follow = True
        self.wrapped = False
        self.unseen = 0
        self._lines: deque[str] = deque(maxlen=LINES)
        self._rows: list[tuple[int, str]] = []
        self._first = 0
        self._wanted = ""
        self._matches: list[int] = []
        self._here = -1
        self._pinning = False
        self._empty = ""

    # Data down.

    def load(self, lines: Sequence[str], empty: str = "") -> None:
        """Begin anew, at the end."""
        self._lines.clear()
        self._rows, self._first, self._matches, self._here = [], 0, [], -1
        self.unseen, self.follow, self._empty = 0, True, empty
        self.append(lines)
        self.refresh()

    def append(self, lines: Sequence[str]) -> None:
        if not lines:
            return
        lines = [text.expandtabs(8)[:CELLS] for text in lines[-LINES:]]
        number = self._first + len(self._lines)
        gone = max(0, len(self._lines) + len(lines) - LINES)
        self._lines.extend(lines)
        self._first += gone
        for at, text in enumerate(lines, number):
            self._rows.extend((at, piece) for piece in self._pieces(text))
            if self._holds(text):
                self._matches.append(at)
        self._forget()
        self.unseen = 0 if self.follow else self.unseen + len(lines)
        self._sized()
        self.post_message(self.Changed())

    def _forget(self) -> None:
        """Drop the rows and matches of lines that have left the ring; the view stays on the lines that it shows."""
        count = next((at for at, row in enumerate(self._rows) if row[0] >= self._first), len(self._rows))
        if count:
            del self._rows[:count]
            self._matches = [at for at in self._matches if at >= self._first]
            if not self.follow:
                self._scroll(self.scroll_offset.y - count)

    def _pieces(self, text: str) -> Sequence[str]:
        width = self.scrollable_content_region.width
        if not self.wrapped or width < 1 or cell_len(text) <= width:
            return (text,)
        return chop_cells(text, width)

    def _sized(self) -> None:
        width = 0 if self.wrapped else max((cell_len(text) for _, text in self._rows[-STEP * 32:]), default=0)
        self.virtual_size = Size(max(width, 0 if self.wrapped else self.virtual_size.width), len(self._rows))
        if self.follow:
            self.call_after_refresh(self._pin)
        self.refresh()

    def _reflow(self) -> None:
        self._rows = [(at, piece) for at, text in enumerate(self._lines, self._first) for piece in self._pieces(text)]
        self.virtual_size = Size(0, 0)
        self._sized()

    def on_resize(self, event: events.Resize) -> None:
        if self.wrapped:
            self._reflow()
        elif self.follow:
            self.call_after_refresh(self._pin)

    # Follow: broken by scrolling away, taken up again at the end.

    def _pin(self) -> None:
        self._scroll(self.max_scroll_y)

    def _scroll(self, y: float) -> None:
        self._pinning = True
        self.scroll_to(y=y, animate=False, force=True, immediate=True)
        self._pinning = False

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        if not self._pinning:
            self._followed(round(new_value) >= self.max_scroll_y)

    def _followed(self, follow: bool) -> None:
        if follow != self.follow:
            self.follow = follow
            self.unseen = 0
            self.post_message(self.Changed())

    def to_end(self) -> None:
        self._followed(True)
        self._pin()

    # Search.

    @property
    def found(self) -> tuple[int, int]:
        """The number of the match that is shown, from 1, and how many lines match."""
        return (self._matches.index(self._here) + 1 if self._here in self._matches else 0, len(self._matches))

    def search(self, text: str) -> None:
        """Look for a text in any case, and go to its last line. An empty one ends the search."""
        self._wanted, self._here = text.lower(), -1
        self._matches = [at for at, line in enumerate(self._lines, self._first) if self._holds(line)]
        self.refresh()
        if self._matches:
            self.next_match(-1)
        self.post_message(self.Changed())

    def _holds(self, text: str) -> bool:
        return bool(self._wanted) and self._wanted in text.lower()

    def next_match(self, step: int) -> None:
        """To the next match (1) or the previous one (-1), around the ends."""
        if not self._matches:
            return
        at = self._matches.index(self._here) + step if self._here in self._matches else -1
        self._here = self._matches[at % len(self._matches)]
        row = next((y for y, (number, _) in enumerate(self._rows) if number == self._here), 0)
        self._followed(False)
        self._scroll(max(0, row - self.size.height // 2))
        self.refresh()
        self.post_message(self.Changed())

    # Drawing.

    def render_line(self, y: int) -> Strip:
        base = self.rich_style
        width, at = self.size.width, y + self.scroll_offset.y
        if at >= len(self._rows):
            note = f"  {self._empty}" if y == 0 and not self._rows else ""
            return Strip([Segment(note, self._style("note"))]).adjust_cell_length(width, base)
        number, text = self._rows[at]
        left = self.scroll_offset.x
        strip = Strip(self._segments(number, text, base))
        return strip.crop(left, left + width).adjust_cell_length(width, base)

    def _segments(self, number: int, text: str, base: Style) -> list[Segment]:
        tone = next((name for name, pattern in TONES if pattern.search(text)), "")
        style = self._style(tone) if tone else base
        if not self._holds(text):
            return [Segment(text, style)]
        match = self._style("here" if number == self._here else "match")
        parts = re.split(f"({re.escape(self._wanted)})", text, flags=re.IGNORECASE)
        return [Segment(part, match if odd % 2 else style) for odd, part in enumerate(parts) if part]

    def _style(self, name: str) -> Style:
        return self.get_component_rich_style(f"log-view--{name}")

    @property
    def shown(self) -> list[str]:
        """The rows on the screen, as plain text."""
        top = self.scroll_offset.y
        return [text for _, text in islice(self._rows, top, top + self.size.height)]

    # Keys.

    def action_wrap(self) -> None:
        self.wrapped = not self.wrapped
        self._reflow()
        self.post_message(self.Changed())

    def action_up(self) -> None:
        self.scroll_relative(y=-1, animate=False)

    def action_down(self) -> None:
        self.scroll_relative(y=1, animate=False)

    def action_left(self) -> None:
        self.scroll_relative(x=-STEP, animate=False)

    def action_right(self) -> None:
        self.scroll_relative(x=STEP, animate=False)

    def action_first(self) -> None:
        self.scroll_home(animate=False, x_axis=False)

    def action_last(self) -> None:
        self.to_end()
