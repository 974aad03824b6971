"""Text with a tone, and text in exactly so many cells."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple
from unicodedata import combining, east_asian_width


class Span(NamedTuple):
    """`tone` is one of TONES, or empty for the ground."""

    text: str
    tone: str = ""


Line = tuple[Span, ...]
TONES = ("title", "quiet", "bar", "busy", "full", "rest", "good", "bad", "accent", "graph", "cursor")


@lru_cache(maxsize=8192)
def width(text: str) -> int:
    """Cells that a text takes."""
    if text.isascii():
        return len(text)
    return sum(0 if combining(sign) else 2 if east_asian_width(sign) in "WF" else 1 for sign in text)


@lru_cache(maxsize=8192)
def fit(text: str, cells: int, right: bool = False) -> str:
    """The text in exactly `cells` cells, cut with an ellipsis."""
    taken = width(text)
    if taken > cells:
        text = _cut(text, cells - 1) + "\u2026" if cells > 0 else ""
        taken = width(text)
    pad = " " * (cells - taken)
    return pad + text if right else text + pad


def _cut(text: str, cells: int) -> str:
    kept, taken = [], 0
    for sign in text:
        taken += width(sign)
        if taken > cells:
            break
        kept.append(sign)
    return "".join(kept)


def plain(line: Line) -> str:
    return "".join(span.text for span in line)


def filled(line: list[Span] | Line, cells: int, tone: str = "") -> Line:
    """The line in exactly `cells` cells."""
    found: list[Span] = []
    rest = cells
    for span in line:
        taken = width(span.text)
        if taken > rest:
            found.append(Span(fit(span.text, rest), span.tone))
            return tuple(found)
        found.append(span)
        rest -= taken
    if rest:
        found.append(Span(" " * rest, tone))
    return tuple(found)
