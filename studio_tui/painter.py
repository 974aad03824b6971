"""Writes of each frame only the cells that differ from what the terminal shows, in as few bytes as it takes.

Textual writes every cell of every changed region, each run with its whole style. Over SSH a dashboard pays for that all day.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import NamedTuple

from rich.cells import cell_len
from rich.color import ColorSystem
from rich.console import Console
from rich.style import Style
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate
from textual.strip import Strip

RESET = "\x1b[0m"
# Signs that take one cell each: what bars, graphs and figures are made of. What is not among them is measured sign by sign.
SINGLE = re.compile(r"[ -~\u00a1-\u00ac\u00ae-\u02ff\u2010-\u2027\u2190-\u21ff\u2500-\u259f\u2800-\u28ff]*").fullmatch
# So many equal cells are written again rather than stepped over.
STRIDE = 3


class Pen(NamedTuple):
    """The parameters of SGR for attributes, foreground and background; `link` of OSC 8."""

    attributes: str = ""
    foreground: str = ""
    background: str = ""
    link: str = ""


PLAIN = Pen()


@lru_cache(maxsize=4096)
def pen(style: Style | None, system: ColorSystem | None, colourless: bool) -> Pen:
    """What a style sets."""
    if style is None:
        return PLAIN
    bare = style.without_color if colourless else style
    link = bare.link or ""
    sequence = (bare.update_link(None) if link else bare).render("x", color_system=system).partition("x")[0]
    words = iter(sequence.removeprefix("\x1b[").removesuffix("m").split(";") if sequence else ())
    found = {"attributes": "", "foreground": "", "background": ""}
    for word in words:
        kind = _kind(int(word or 0))
        if word in ("38", "48"):
            mode = next(words)
            word = ";".join([word, mode, *(next(words) for _ in range(3 if mode == "2" else 1))])
        found[kind] = f"{found[kind]};{word}" if found[kind] else word
    return Pen(**found, link=link)


def _kind(code: int) -> str:
    if 30 <= code < 39 or 90 <= code < 98:
        return "foreground"
    return "background" if 40 <= code < 49 or 100 <= code < 108 else "attributes"


def change(old: Pen, new: Pen) -> str:
    """The shortest way from one pen to another."""
    if old == new:
        return ""
    link = "" if old.link == new.link else f"\x1b]8;;{new.link}\x1b\\"
    if old[:3] == new[:3]:
        return link
    dropped = any(before and not after for before, after in zip(old[:3], new[:3], strict=True))
    if dropped or old.attributes != new.attributes:
        return f"{link}\x1b[{';'.join(['0', *filter(None, new[:3])])}m"
    return f"{link}\x1b[{';'.join(part for before, part in zip(old[1:3], new[1:3], strict=True) if part != before)}m"


class Painter:
    """Knows what the terminal shows since the last whole frame."""

    def __init__(self) -> None:
        self._size = (0, 0)
        self._text: list[list[str]] = []
        # Not styles: comparing those is a call of Python for each cell.
        self._pens: list[list[Pen]] = []

    def forget(self) -> None:
        """Somebody else wrote to the terminal."""
        self._size = (0, 0)

    def update(self, change: CompositorUpdate, console: Console, size: tuple[int, int]) -> CompositorUpdate | None:
        """What is to be written in place of a change; None where nothing is."""
        if isinstance(change, LayoutUpdate):
            change.strips = [list(line) for line in change.strips]
            self._take(change, console, size)
        elif isinstance(change, ChopsUpdate) and size == self._size:
            text = self._differences(change, console)
            return Written(text) if text else None
        return change

    def _take(self, update: LayoutUpdate, console: Console, size: tuple[int, int]) -> None:
        region = update.region
        whole = (region.x, region.y, region.width, region.height) == (0, 0, *size)
        if whole and size != self._size:
            self._begin(update, console, size)
            return
        if size != self._size:
            return
        for y, line in enumerate(update.strips, region.y):
            if y < size[1]:
                self._put(y, region.x, line, console, [])

    def _begin(self, update: LayoutUpdate, console: Console, size: tuple[int, int]) -> None:
        """A whole frame where nothing is known yet: there is nothing to compare."""
        self._size, self._text, self._pens = size, [], []
        system, colourless = console._color_system, console.no_color
        for y in range(size[1]):
            text: list[str] = []
            pens: list[Pen] = []
            for segment in itertools.chain.from_iterable(update.strips[y] if y < len(update.strips) else ()):
                signs = _cells(segment.text)
                text += signs
                pens += [pen(segment.style, system, colourless)] * len(signs)
            spare = max(0, size[0] - len(text))
            self._text.append([*text[:size[0]], *[" "] * spare])
            self._pens.append([*pens[:size[0]], *[PLAIN] * spare])

    def _differences(self, update: ChopsUpdate, console: Console) -> str:
        line = Pencil()
        for y, spans in itertools.groupby(update.spans, key=itemgetter(0)):
            changed: list[int] = []
            for _, begin, end in spans:
                for x, strip in _pieces(update, y, begin, end):
                    self._put(y, x, (strip,), console, changed)
            if changed:
                line.write(y, changed, self._text[y], self._pens[y])
        return line.text

    def _put(self, y: int, x: int, strips: Iterable[Strip], console: Console, changed: list[int]) -> None:
        """Note what a row holds now; cells that differ are added to `changed`, in order."""
        text, pens, limit = self._text[y], self._pens[y], self._size[0]
        system, colourless = console._color_system, console.no_color
        for strip in strips:
            for segment in strip:
                signs = _cells(segment.text)
                end = x + len(signs)
                if end > limit:
                    signs, end = signs[:max(0, limit - x)], limit
                held, wanted = pens[x:end], pen(segment.style, system, colourless)
                # Both comparisons are of whole slices, and most segments are what they were.
                if held.count(wanted) != len(signs):
                    changed += [at for at, sign, old, was in zip(range(x, end), signs, text[x:end], held, strict=True)
                                if sign != old or was != wanted]
                    text[x:end], pens[x:end] = signs, [wanted] * len(signs)
                elif text[x:end] != signs:
                    changed += [at for at, sign, old in zip(range(x, end), signs, text[x:end], strict=True) if sign != old]
                    text[x:end] = signs
                x = end


def _pieces(update: ChopsUpdate, y: int, begin: int, end: int) -> Iterator[tuple[int, Strip]]:
    """What lies in a span of a row. Beside it stands whatever was at hand, which nobody is to see."""
    for (x, strip), stop in zip(update.chops[y].items(), update.chop_ends[y], strict=False):
        if strip is not None and x < end and stop > begin:
            first, last = max(x, begin), min(stop, end)
            yield first, strip if (first, last) == (x, stop) else strip.crop(first - x, last - x)


class Pencil:
    """Writes cells of rows one after the other, and keeps in mind where it is and how it writes."""

    def __init__(self) -> None:
        self._out: list[str] = []
        self._at = (-1, -1)
        self._pen = PLAIN

    @property
    def text(self) -> str:
        """What was written, with the terminal's own pen at the end; empty for nothing."""
        if not self._out:
            return ""
        return "".join(self._out) + change(self._pen, self._pen._replace(link="")) + RESET

    def write(self, y: int, changed: Sequence[int], text: Sequence[str], pens: Sequence[Pen]) -> None:
        """The cells of a row at these places."""
        for begin, end in runs(changed, text, pens):
            here, row = self._at
            self._out.append(f"\x1b[{begin - here}C" if row == y and begin > here else f"\x1b[{y + 1};{begin + 1}H")
            while begin < end:
                wanted, stop = pens[begin], begin + 1
                while stop < end and pens[stop] == wanted:
                    stop += 1
                self._out += (change(self._pen, wanted), *text[begin:stop])
                self._pen, begin = wanted, stop
            self._at = end, y


def runs(changed: Sequence[int], text: Sequence[str], pens: Sequence[Pen]) -> Iterator[tuple[int, int]]:
    """The changed cells as (begin, end), each with all of a wide sign; a short gap that needs no other pen is none."""
    begin = end = -1
    for x in changed:
        if x < end:
            continue
        first, last = x, x + 1
        while first and text[first] == "":
            first -= 1
        while last < len(text) and text[last] == "":
            last += 1
        if begin >= 0 and first - end <= STRIDE and all(pens[at] == pens[end - 1] for at in range(end, first)):
            end = last
        else:
            if begin >= 0:
                yield begin, end
            begin, end = first, last
    if begin >= 0:
        yield begin, end


@lru_cache(maxsize=1024)
def _cells(text: str) -> list[str]:
    """One entry per cell: a wide sign is followed by an empty one, what combines stays with its sign."""
    if SINGLE(text):
        return list(text)
    found: list[str] = []
    for sign in text:
        taken = cell_len(sign)
        if taken == 0 and found:
            found[-1] += sign
        elif taken:
            found += [sign, *[""] * (taken - 1)]
    return found


class Written(CompositorUpdate):
    """A change that is text already."""

    def __init__(self, text: str) -> None:
        self.text = text

    def render_segments(self, console: Console) -> str:
        return self.text
