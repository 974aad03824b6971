"""Histories side by side: what it was, as a graph with one style per row, and what it is now as a figure."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, NamedTuple

from msgspec import Struct

from studio_core import wire
from studio_tui import unit
from studio_tui.board import glyph
from studio_tui.board.glyph import Glyphs
from studio_tui.board.model import milliseconds
from studio_tui.board.span import Line, Span, filled, width

TILE, BETWEEN = 34, 3
COUNT = 120
# Rows of a graph: at least; at least where graphs stand below each other; at most.
LOW, FAIR, HIGH = 2, 5, 24


def _rate(value: float) -> str:
    return f"{value:.0f}/s" if value >= 10 else f"{value:.1f}/s"


def _percent(value: float) -> str:
    return unit.percent(value)


def _watt(value: float) -> str:
    return f"{value:.0f} W"


def _count(value: float) -> str:
    return f"{value:.0f}" if value == round(value) else f"{value:.1f}"


class Tile(Struct, frozen=True):
    """`top` is the figure at the full height, None: what fits."""

    series: str
    title: str
    text: Callable[[float], str]
    top: float | None = None


GPU_TILES = (
    Tile("gpu", "GPU use", _percent, 100.0), Tile("tokens_out", "tokens out", _rate),
    Tile("gpu_memory", "GPU memory", _percent, 100.0), Tile("running", "requests", _count),
    Tile("power", "power", _watt), Tile("ttft", "first token", milliseconds),
    Tile("kv", "KV cache", _percent, 100.0), Tile("cpu", "CPU", _percent, 100.0), Tile("tokens_in", "tokens in", _rate),
    Tile("waiting", "waiting requests", _count), Tile("memory", "memory", _percent, 100.0),
)
# Without a GPU the processor and its memory matter.
HOST_TILES = (
    Tile("cpu", "CPU", _percent, 100.0), Tile("memory", "memory", _percent, 100.0), Tile("tokens_out", "tokens out", _rate),
    Tile("running", "requests", _count), Tile("ttft", "first token", milliseconds), Tile("tokens_in", "tokens in", _rate),
    Tile("waiting", "waiting requests", _count), Tile("kv", "KV cache", _percent, 100.0),
)


class Shape(NamedTuple):
    """`across` tiles side by side and `deep` below each other; `cells` and `high` are those of one graph."""

    across: int
    deep: int
    cells: int
    high: int

    def area(self, most: int) -> int:
        """What graphs cover, of no more than they have values for."""
        return self.across * min(self.cells, most) * self.deep * self.high


def side_by_side(cells: int) -> int:
    return max(1, (cells + BETWEEN) // (TILE + BETWEEN))


def shape(tiles: int, cells: int, rows: int, signs: Glyphs) -> Shape:
    """How so many tiles fill the room best. As many of them as have room are shown before any is large."""
    most = side_by_side(cells)
    found = []
    for deep in range(1, tiles + 1):
        across = min(most, -(-tiles // deep))
        # Titles tell rows apart; where there is room, an empty line does too.
        high = min(HIGH, (rows + 1) // deep - 2) if deep > 1 else min(HIGH, rows - 1)
        is_full = across * (deep - 1) < tiles
        if is_full and high >= (FAIR if deep > 1 else 1):
            found.append(Shape(across, deep, (cells - BETWEEN * (across - 1)) // across, high))
    wide = COUNT // (1 if signs.steps else 2)
    return max(found, key=lambda one: (min(tiles, one.across * one.deep), one.area(wide)), default=Shape(1, 0, cells, 0))


class _Kept:
    """What was drawn last: new samples come less often than frames."""

    samples: wire.Samples | None = None
    given: tuple[object, ...] = ()
    lines: ClassVar[list[Line]] = []


def lines(samples: wire.Samples, with_gpus: bool, cells: int, rows: int, signs: Glyphs) -> list[Line]:
    """At most `rows` lines of graphs with their titles, of those that have something to show. Nobody writes into what is given."""
    given = (with_gpus, cells, rows, signs)
    if samples is not _Kept.samples or given != _Kept.given:
        _Kept.samples, _Kept.given, _Kept.lines = samples, given, _drawn(samples, *given)
    return _Kept.lines


def _drawn(samples: wire.Samples, with_gpus: bool, cells: int, rows: int, signs: Glyphs) -> list[Line]:
    known = [one for one in (GPU_TILES if with_gpus else HOST_TILES) if _tells(samples.series.get(one.series, []))]
    # What never was above nothing only fills up the first row.
    quiet = [one for one in known if not any(samples.series[one.series])]
    busy = [one for one in known if one not in quiet]
    known = busy + quiet[:max(0, side_by_side(cells) - len(busy))]
    across, deep, each, high = shape(len(known), cells, rows, signs)
    found: list[Line] = []
    for at in range(0, across * deep, across):
        drawn = [_tile(one, samples, each, high, signs) for one in known[at:at + across]]
        found += [(Span(" " * cells),)] if found and drawn else []
        found += [_beside([part[at] for part in drawn], cells) for at in range(high + 1)] if drawn else []
    return found


def _tells(values: list[float | None]) -> bool:
    return any(value is not None for value in values)


def _tile(tile: Tile, samples: wire.Samples, cells: int, rows: int, signs: Glyphs) -> list[Line]:
    # Only what the graph has room for is told of.
    values = samples.series[tile.series][-cells * (1 if signs.steps else 2):]
    known = [value for value in values if value is not None]
    if not known:
        return [filled([Span(f"{tile.title.upper()}  ", "title"), Span("N/A")], cells), *(((Span(" " * cells),),) * rows)]
    top = tile.top or glyph.ceiling(values)
    name = f"{tile.title.upper()}  "
    span = f"max {tile.text(max(known))} in {unit.age(60 * round(samples.step_s * len(values) / 60))}"
    spare = cells - width(name) - width(tile.text(known[-1])) - width(span)
    heading = [Span(name, "title"), Span(tile.text(known[-1]))]
    if spare >= 2:
        heading += [Span(" " * spare), Span(span, "quiet")]
    graph = glyph.graph(tuple(values), cells, rows, top, signs)
    return [filled(heading, cells), *((Span(text, "graph"),) for text in graph)]


def _beside(parts: list[Line], cells: int) -> Line:
    spans: list[Span] = []
    for index, part in enumerate(parts):
        spans += [Span(" " * BETWEEN)] if index else []
        spans += part
    return filled(spans, cells)
