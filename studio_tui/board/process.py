"""Who holds memory on the GPUs: one line per process and GPU, in as many columns as there is room for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from studio_core import wire
from studio_tui import unit
from studio_tui.board.column import Column, head, row, widths
from studio_tui.board.glyph import Glyphs
from studio_tui.board.span import Line, Span, filled
from studio_tui.view import View

COLUMNS = (
    Column("gpu", "GPU", 3, right=True),
    Column("pid", "PID", 7, gap=1, right=True),
    Column("memory", "MEMORY", 8, right=True),
    Column("owner", "OWNER", 7, rank=1, flex=1, most=12),
    Column("whose", "RECIPE", 9, rank=2, flex=2, most=24),
    Column("name", "PROCESS", 8, rank=3, flex=2, most=30),
)
# A block of columns is no narrower than this.
BLOCK, BETWEEN = 54, 3


class Held(NamedTuple):
    place: str
    process: wire.GpuProcess


def found(view: View) -> list[Held]:
    """By GPU, then by memory."""
    rows: list[Held] = []
    for gpu in view.gpus.gpus if view.gpus else ():
        parts = [(str(gpu.index), gpu.processes), *((f"{gpu.index}.{part.index}", part.processes) for part in gpu.slices)]
        for place, processes in parts:
            rows += [Held(place, one) for one in sorted(processes, key=lambda one: (-(one.memory_bytes or 0), one.pid))]
    return rows


def blocks(cells: int) -> int:
    return max(1, (cells + BETWEEN) // (BLOCK + BETWEEN))


def lines(view: View, held: list[Held], cells: int, rows: int, signs: Glyphs) -> list[Line]:
    """Header and at most `rows` lines, filled column by column; the last place says how many are left out."""
    count = min(blocks(cells), -(-len(held) // rows) if rows else 1)
    each = (cells - (count - 1) * BETWEEN) // count
    shown = widths(COLUMNS, each)
    # In even columns, so that none is left hanging.
    deep = min(rows, -(-len(held) // count))
    drawn = [_row(view, one, shown, each) for one in held[: deep * count]]
    if (hidden := len(held) - len(drawn)) > 0:
        drawn[-1] = filled([Span(f"and {hidden + 1} more processes", "quiet")], each)
    top = head(COLUMNS, shown, each)
    quiet = tuple(Span(span.text, "quiet") for span in top)
    return [_side([top, *[quiet] * (count - 1)], cells), *(_side(drawn[at::deep], cells) for at in range(deep))]


def _row(view: View, held: Held, shown: dict[str, int], cells: int) -> Line:
    one = held.process
    whose = view.whose(one)
    return row(COLUMNS, shown, {
        "gpu": Span(held.place), "pid": Span(str(one.pid)),
        "memory": Span("N/A" if one.memory_bytes is None else unit.size(one.memory_bytes)),
        "owner": Span(one.owner or "N/A"), "whose": Span(whose or unit.NOTHING, "" if whose else "quiet"),
        "name": Span(one.name, "quiet"),
    }, cells)


def _side(parts: list[Line], cells: int) -> Line:
    return filled(list(_joined(parts)), cells)


def _joined(parts: list[Line]) -> Iterator[Span]:
    for index, part in enumerate(parts):
        if index:
            yield Span(" " * BETWEEN)
        yield from part
