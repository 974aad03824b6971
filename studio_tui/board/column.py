"""Columns that come and go with the width: by rank while they fit, what is left over goes to the flexible ones."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from msgspec import Struct

from studio_tui.board.span import Line, Span, filled, fit

GAP = 2
EMPTY = Span("")


# Known by itself: what is kept by columns would hash every field of each of them.
class Column(Struct, frozen=True, eq=False):
    """`rank` 0 is always shown, the highest goes first. `flex` is its share of what is left, up to `most` cells.

    `gap` is the space before it.
    """

    name: str
    title: str
    cells: int
    rank: int = 0
    flex: int = 0
    most: int = 1000
    right: bool = False
    gap: int = GAP


# Worked out anew only when the size changes; nobody writes into it.
Widths = Mapping[str, int]
Cells = Mapping[str, "tuple[Span, ...] | Span"]


@lru_cache(maxsize=64)
def widths(columns: tuple[Column, ...], cells: int) -> dict[str, int]:
    """The shown columns with their widths, in their order."""
    rest = cells
    shown: set[str] = set()
    for column in sorted(columns, key=lambda one: one.rank):
        need = column.cells + (column.gap if shown else 0)
        if column.rank and need > rest:
            continue
        shown.add(column.name)
        rest -= need
    found = {one.name: one.cells for one in columns if one.name in shown}
    spare = max(0, rest)
    # Twice: what a column at its most does not take, others get.
    for _ in range(2):
        hungry = [one for one in columns if one.name in shown and one.flex and found[one.name] < one.most]
        shares = sum(one.flex for one in hungry)
        given = 0
        for one in hungry:
            more = min(spare * one.flex // shares, one.most - found[one.name])
            found[one.name] += more
            given += more
        spare -= given
    return found


def head(columns: tuple[Column, ...], found: Widths, cells: int) -> Line:
    """The titles; the first one names the section."""
    return _head(columns, tuple(found.items()), cells)


@lru_cache(maxsize=64)
def _head(columns: tuple[Column, ...], found: tuple[tuple[str, int], ...], cells: int) -> Line:
    wide = dict(found)
    spans: list[Span] = []
    for column in columns:
        if column.name in wide:
            if spans:
                spans.append(Span(" " * column.gap, "quiet"))
            spans.append(Span(fit(column.title, wide[column.name], column.right), "quiet" if len(spans) else "title"))
    return filled(spans, cells)


def row(columns: tuple[Column, ...], found: Widths, values: Cells, cells: int) -> Line:
    """One line; a value of several spans is already as wide as its column.

    Neighbours of one tone become one span: what comes after works span by span.
    """
    spans: list[Span] = []
    used, text, tone = 0, "", ""
    for name, gap, here, right in _plan(columns, tuple(found.items())):
        used += len(gap) + here
        value = values.get(name, EMPTY)
        parts = ((gap + fit(value.text, here, right), value.tone),) if isinstance(value, Span) else ((gap, ""), *value)
        for more, own in parts:
            if own == tone:
                text += more
            elif more:
                if text:
                    spans.append(Span(text, tone))
                text, tone = more, own
    if tone and used < cells:
        spans.append(Span(text, tone))
        text, tone = "", ""
    spans.append(Span(text + " " * (cells - used), tone))
    return filled(spans, cells) if used > cells else tuple(spans)


@lru_cache(maxsize=64)
def _plan(columns: tuple[Column, ...], found: tuple[tuple[str, int], ...]) -> tuple[tuple[str, str, int, bool], ...]:
    """Of each shown column its name, the space before it, its width, and whether it stands at the right."""
    wide = dict(found)
    shown = [one for one in columns if one.name in wide]
    return tuple((one.name, " " * one.gap if at else "", wide[one.name], one.right) for at, one in enumerate(shown))
