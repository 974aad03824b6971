"""What of the dashboard fits: detail goes piece by piece as height and width shrink, never all at once."""

from __future__ import annotations

from studio_tui import status
from studio_tui.board import core, history, machine, model, process
from studio_tui.board.glyph import UNICODE, Glyphs
from studio_tui.board.span import Line, Span, filled
from studio_tui.view import View

EMPTY = "nothing runs; press 2 and Enter to launch a recipe"
# Cells left free at both sides.
MARGIN = 1
# Rows of models that are shown before anything else may have room.
MODELS = 3


def draw(view: View, cells: int, rows: int, cursor: str = "", focused: bool = False, signs: Glyphs = UNICODE) -> list[Line]:
    """Exactly `rows` lines of exactly `cells` cells."""
    inner = max(1, cells - 2 * MARGIN)
    found = [line for part in _parts(view, inner, rows, cursor, focused, signs) for line in part][:rows]
    edge = Span(" " * MARGIN)
    whole: list[Line] = [(edge, *line, edge) for line in found]
    return whole + [(Span(" " * cells),)] * (rows - len(whole))


def _parts(view: View, cells: int, rows: int, cursor: str, focused: bool, signs: Glyphs) -> list[list[Line]]:
    top = machine.lines(view, cells, signs)
    models, held = len(model.entries(view)), process.found(view)
    shown = max(1, min(models, MODELS))
    top = _shortened(top, rows - shown - 1, cells)
    left = rows - len(top) - 1 - shown
    more = max(0, min(models - shown, left))
    shown, left = shown + more, left - more
    # The graph's title and its lowest height.
    least = history.LOW + 1
    graph = least if view.samples is not None and left >= least else 0
    left -= graph
    cores = machine.cores(view)
    loads = core.rows(len(cores), cells, left // 3)
    left -= loads
    wanted = -(-len(held) // process.blocks(cells)) if held else 0
    # A line that only counts what is left out is not worth its header.
    listed = min(wanted, left - 1) if wanted and left > min(wanted, history.LOW) else 0
    left -= listed + 1 if listed else 0
    gaps = min(left, (1 if top else 0) + bool(loads) + bool(graph) + bool(listed))
    left -= gaps
    empty = EMPTY if view.status is not None else view.link.why or status.LINKS[view.link.state].word
    samples, with_gpus = view.samples if graph else None, bool(view.gpus and view.gpus.gpus)
    parts = [
        top, core.lines(cores, cells, loads, signs) if loads else [],
        model.lines(view, cells, shown, cursor, focused, empty, signs),
        history.lines(samples, with_gpus, cells, graph + left, signs) if samples is not None else [],
        process.lines(view, held, cells, listed, signs) if listed else [],
    ]
    return _spaced([part for part in parts if part], gaps, cells)


def _shortened(lines: list[Line], rows: int, cells: int) -> list[Line]:
    if len(lines) <= rows or rows < 2:
        return lines[: max(rows, 2)]
    return [*lines[: rows - 1], filled([Span(f"and {len(lines) - rows + 1} more", "quiet")], cells)]


def _spaced(parts: list[list[Line]], gaps: int, cells: int) -> list[list[Line]]:
    """Empty lines between the first parts, as many as there are."""
    blank: list[Line] = [(Span(" " * cells),)]
    found: list[list[Line]] = []
    for index, part in enumerate(parts):
        found += [blank] if 0 < index <= gaps else []
        found.append(part)
    return found
