"""Where there is no GPU, the load of each core: a bar each while they fit, else a column each."""

from __future__ import annotations

from collections.abc import Sequence

from studio_tui.board import glyph
from studio_tui.board.glyph import Glyphs
from studio_tui.board.machine import bar
from studio_tui.board.span import Line, Span, filled, fit

# Cells of the title, and of one core at least: number, bar, figure.
LEAD, CORE = 10, 18
NUMBER, FIGURE = 3, 6
# Rows of columns, where bars would take more than there are.
HIGH = 3


def rows(count: int, cells: int, most: int) -> int:
    """How many of `most` rows the cores take."""
    if not count or cells < LEAD + CORE or most < 1:
        return 0
    wanted = _deep(count, cells)
    return wanted if wanted <= most else min(most, HIGH)


def lines(cores: Sequence[float], cells: int, rows: int, signs: Glyphs) -> list[Line]:
    """At most `rows` lines; `cores` are percents."""
    inner = cells - LEAD
    found = _bars(cores, inner, signs) if _deep(len(cores), cells) <= rows else _columns(cores, inner, rows, signs)
    title = fit("CORES", LEAD)
    return [filled([Span(title, "title") if not at else Span(" " * LEAD), *line], cells) for at, line in enumerate(found)]


def _across(count: int, inner: int) -> int:
    """Bars side by side, in even rows."""
    most = max(1, inner // CORE)
    return -(-count // -(-count // most))


def _deep(count: int, cells: int) -> int:
    return -(-count // _across(count, cells - LEAD))


def _bars(cores: Sequence[float], inner: int, signs: Glyphs) -> list[Line]:
    across = _across(len(cores), inner)
    each = inner // across
    wide = each - NUMBER - FIGURE - 2
    drawn = [
        (Span(f"{at:>{NUMBER}} ", "quiet"), *bar(load / 100, wide, signs), Span(f"{load:.0f} %".rjust(FIGURE) + " "))
        for at, load in enumerate(cores)
    ]
    return [tuple(span for one in drawn[at:at + across] for span in one) for at in range(0, len(drawn), across)]


def _columns(cores: Sequence[float], inner: int, rows: int, signs: Glyphs) -> list[Line]:
    """As wide as there is room for, half a cell at least; of still more the mean of neighbours."""
    room = inner * (1 if signs.steps else 2)
    wide = max(1, room // len(cores))
    together = -(-len(cores) // room)
    means = [sum(part) / len(part) for at in range(0, len(cores), together) if (part := cores[at:at + together])]
    values = tuple(value for value in means for _ in range(wide))
    cells = -(-len(values) // (1 if signs.steps else 2))
    return [(Span(text, "graph"),) for text in glyph.graph(values, cells, rows, 100.0, signs)]
