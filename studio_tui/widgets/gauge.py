"""One line with a name, a bar and a figure; one style per run, so a tick costs a line of bytes and no more."""

from __future__ import annotations

from rich.segment import Segment
from textual.strip import Strip
from textual.widget import Widget

from studio_tui import unit
from studio_tui.widgets.table import fit

LABEL, FIGURE = 8, 6
# Above these shares a gauge speaks up.
BUSY, FULL = 0.75, 0.92


class Gauge(Widget):
    """`fill` it with a share from 0 to 1, or None where nobody knows, and a note for the right side."""

    COMPONENT_CLASSES = {"gauge--bar", "gauge--busy", "gauge--full", "gauge--rest", "gauge--note"}

    def __init__(self, label: str, note: int = 24, ident: str | None = None) -> None:
        super().__init__(id=ident)
        self._label = label
        self._room = note
        self._share: float | None = None
        self._note = ""

    def fill(self, share: float | None, note: str = "") -> None:
        """Values that look the same are not painted again."""
        seen = self.text
        self._share, self._note = share, note
        if seen != self.text:
            self.refresh()

    @property
    def text(self) -> str:
        """What it shows, as plain text."""
        return "".join(segment.text for segment in self.render_line(0)) if self.size.width else f"{self._share} {self._note}"

    def render_line(self, y: int) -> Strip:
        base = self.rich_style
        style = {name: self.get_component_rich_style(f"gauge--{name}")
                 for name in ("bar", "busy", "full", "rest", "note")}
        room = min(self._room, max(0, self.size.width - LABEL - FIGURE - 12))
        width = max(0, self.size.width - LABEL - FIGURE - room - 2)
        share = self._share
        done = unit.bar(share or 0.0, width)
        tone = "full" if (share or 0) >= FULL else "busy" if (share or 0) >= BUSY else "bar"
        figure = unit.percent(None if share is None else 100 * share, "N/A")
        return Strip([
            Segment(fit(self._label, LABEL), style["note"]),
            Segment(done, style[tone]),
            Segment(unit.REST * (width - len(done)), style["rest"]),
            Segment(fit(figure, FIGURE, right=True) + "  ", base),
            Segment(fit(self._note, room), style["note"]),
        ]).adjust_cell_length(self.size.width, base)
