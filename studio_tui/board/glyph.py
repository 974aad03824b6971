"""The signs that are drawn with: half cells and braille dots, or plain ASCII."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from msgspec import Struct

# Braille dots of one column of a cell, from the bottom up (Unicode 2800: dots 7 3 2 1 on the left, 8 6 5 4 on the right).
LEFT, RIGHT = (0x00, 0x40, 0x44, 0x46, 0x47), (0x00, 0x80, 0xA0, 0xB0, 0xB8)


class Glyphs(Struct, frozen=True):
    """`half` is empty where there is no half cell. `steps` are the heights of a column of one cell, for a graph without dots."""

    full: str
    half: str
    rest: str
    steps: str = ""
    here: str = "\u25b8"
    more: str = "\u2026"
    down: str = "\u2193"
    up: str = "\u2191"
    dot: str = "\u00b7"

    def bar(self, share: float, cells: int) -> tuple[str, str]:
        """The done and the undone part of a bar; `share` is 0 to 1."""
        share = max(0.0, min(1.0, share))
        if not self.half:
            count = round(share * cells)
            return self.full * count, self.rest * (cells - count)
        halves = round(share * cells * 2)
        done = self.full * (halves // 2) + self.half * (halves % 2)
        return done, self.rest * (cells - len(done))


UNICODE = Glyphs("\u2501", "\u2578", "\u2500")
ASCII = Glyphs("=", "", "-", " .:|", here=">", more="~", down="v", up="^", dot="-")


@lru_cache(maxsize=64)
def graph(values: tuple[float | None, ...], cells: int, rows: int, top: float, glyphs: Glyphs = UNICODE) -> tuple[str, ...]:
    """The newest values as columns from the ground up, `rows` lines of exactly `cells` cells, the newest at the right.

    Two values to a cell with dots, one without. What is not known is left empty; a value above nothing shows at least a dot.
    """
    each = 1 if glyphs.steps else 2
    wanted = cells * each
    shown = [None] * max(0, wanted - len(values)) + list(values[-wanted:])
    fine = len(glyphs.steps) - 1 if glyphs.steps else 4
    heights = [_height(value, top, rows * fine) for value in shown]
    return tuple(_line(heights, (rows - 1 - row) * fine, fine, glyphs) for row in range(rows))


def _height(value: float | None, top: float, levels: int) -> int:
    if value is None or top <= 0:
        return 0
    return min(levels, max(1 if value > 0 else 0, round(value / top * levels)))


def _line(heights: Sequence[int], ground: int, fine: int, glyphs: Glyphs) -> str:
    here = [max(0, min(fine, height - ground)) for height in heights]
    if glyphs.steps:
        return "".join(glyphs.steps[level] for level in here)
    pairs = zip(here[::2], here[1::2], strict=True)
    return "".join(chr(0x2800 + LEFT[left] + RIGHT[right]) if left or right else " " for left, right in pairs)


def ceiling(values: Sequence[float | None], least: float = 1.0) -> float:
    """A round figure at or above all values: 1, 2 or 5 times a power of ten."""
    top = max((value for value in values if value is not None), default=0.0)
    step = least
    while step < top:
        for factor in (2.0, 2.5, 2.0):
            step *= factor
            if step >= top:
                break
    return step
