"""A log on the screen, read from its files as far as it is shown. A filter and a search run in processes of their own.

Textual's `Log` stops repainting at its `max_lines`, and `RichLog` renders every line when it is written; this does neither.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence

from msgspec import Struct, field
from rich.cells import cell_len, chop_cells
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from studio_core.logs.chain import STRIDE, Chain, Line, Run
from studio_core.logs.look import shown
from studio_core.logs.needle import LEVELS, Want, level_of
from studio_tui.widgets.reel import END, Block, Reel

# Lines that are fetched at once, and rows that are kept drawn.
FETCH = 64
KEEP = 256
# What is looked at per tick to count lines that nobody sees; beyond, they are estimated.
COUNT_BYTES = 1 << 20
# More than this between two looks is a flood.
FLOOD_BYTES = 256 * 1024
TONES = {"error": "bad", "warning": "busy", "debug": "note"}
RULE = "\u2500"


class Looks(Struct):
    """How lines are shown. It outlives every log."""

    wrapped: bool = False
    times: bool = True
    level: int = 0
    regex: bool = False
    exact: bool = False


class Window(Struct):
    """Places of lines that pass a filter, without a gap between them; `ends`: nothing before, nothing after."""

    places: list[int] = field(default_factory=list)
    ends: tuple[bool, bool] = (False, False)


class LogView(Reel):
    """`labels`: what stands above a part, by its number. `wish(place, back, forth)` asks for places that pass the filter."""

    COMPONENT_CLASSES = {
        "log-view--match", "log-view--here", "log-view--bad", "log-view--busy", "log-view--note", "log-view--label",
    }

    def __init__(self, ident: str | None = None) -> None:
        super().__init__(ident)
        self.looks = Looks()
        self.chain = Chain([])
        self.unseen, self.estimated = 0, False
        # When it was seen to be another.
        self.grew = 0.0
        self.window: Window | None = None
        self.wish: Callable[[int, int, int], None] = lambda place, back, forth: None
        self._labels: Mapping[int, str] = {}
        self._runs: list[Run] = []
        self._ends: list[tuple[int, int]] | None = None
        self._rows: dict[tuple[int, bool], tuple[bytes, list[Strip]]] = {}
        self._find: Want | None = None
        self._spans: Mapping[str, Sequence[tuple[int, int]]] = {}
        self._here = -1
        self._seen = 0
        self._tones: dict[str, Style] = {}
        self._flooded = self._rests = False

    # Data down.

    def load(self, chain: Chain, empty: str = "", labels: Mapping[int, str] | None = None) -> None:
        """Another log, at its end."""
        self.chain, self._labels, self.empty = chain, labels or {}, empty
        self._here, self.unseen = -1, 0
        self.window = None
        self.follow = True
        self.anew()

    def anew(self) -> None:
        """Draw all rows again: they are shown in another way."""
        self._rows.clear()
        self._left = 0
        self._page = []
        self._ends = None
        self._flooded = False
        self.look()
        self.refresh()

    def look(self) -> None:
        """See what was written meanwhile. What nobody could read is shown half as often."""
        self._rests = not self._rests and self._flooded
        if self._rests:
            return
        runs = self.chain.runs()
        ends = [(run.begin, run.end) for run in runs]
        self._flooded = bool(self.follow and self._ends and ends and ends[-1][1] - self._ends[-1][1] > FLOOD_BYTES)
        if ends == self._ends:
            return
        self.grew = time.monotonic()
        self._runs, self._ends = runs, ends
        if self.follow:
            self._seen = self._runs[-1].end if self._runs else 0
        elif self.window is None:
            self._count()
        self.rebuild()

    def _count(self) -> None:
        """Lines that came while nobody looked."""
        run = next((run for run in self._runs if run.begin <= self._seen < run.end), None)
        run = run or next((run for run in self._runs if run.begin > self._seen), None)
        if run is None:
            return
        begin = max(self._seen, run.begin)
        data = run.read(begin, min(run.end, begin + COUNT_BYTES))
        lines = data.count(b"\n")
        self._seen = begin + len(data)
        if (rest := run.end - self._seen) > COUNT_BYTES and data:
            lines += rest * lines // len(data)
            self._seen, self.estimated = run.end, True
        if lines:
            self.unseen += lines
            self.post_message(self.Changed())

    def on_followed(self) -> None:
        self.unseen, self.estimated = 0, False
        self._seen = self._runs[-1].end if self._runs else 0

    # Filter and search: places come from elsewhere.

    def filtered(self, window: Window | None) -> None:
        """Only these lines, or all."""
        if window is None and self.window is None:
            return
        self.window, self._ends, self._flooded = window, None, False
        self.look()

    def search(self, want: Want | None) -> None:
        """Mark what a text or a pattern finds."""
        if want is None and self._find is None:
            return
        self._find, self._spans, self._here = want, {}, -1
        self.anew()

    def marked(self, spans: Mapping[str, Sequence[tuple[int, int]]]) -> None:
        """Where a pattern is in shown texts."""
        self._spans = {**self._spans, **spans}
        self._rows.clear()
        self.rebuild()

    @property
    def unmarked(self) -> list[str]:
        """Shown texts of which nobody has told yet where the pattern is."""
        if self._find is None or not self._find.regex:
            return []
        texts = dict.fromkeys(self._text(data) for data, _ in self._rows.values())
        return [text for text in texts if text not in self._spans]

    @property
    def here(self) -> int:
        return self._here

    def show_match(self, place: int) -> None:
        """The line at a place, in the middle unless it is on the screen already."""
        self._here = place
        self._rows.clear()
        if any(row.place == place for row in self._page[1:-1]):
            self.go(self._page[0].place, self._page[0].number)
        else:
            self.centre(place)
        self.post_message(self.Changed())

    # Where lines come from.

    def before(self, place: int) -> Iterator[Block]:
        lines = self._all_before(place) if self.window is None else self._window_before(place)
        later = next(lines, None)
        while later is not None:
            earlier = next(lines, None)
            yield self._block(later, earlier is None or earlier[0] // STRIDE != later[0] // STRIDE)
            later = earlier

    def after(self, place: int) -> Iterator[Block]:
        lines = self._all_after(place) if self.window is None else self._window_after(place)
        last = next(iter(self._all_before(place)), None) if self.window is None else self._neighbour(place)
        part = last[0] // STRIDE if last else -1
        for line in lines:
            yield self._block(line, line[0] // STRIDE != part)
            part = line[0] // STRIDE

    def _all_before(self, place: int) -> Iterator[Line]:
        while lines := self.chain.lines_before(place, FETCH, self._runs):
            yield from reversed(lines)
            place = lines[0][0]

    def _all_after(self, place: int) -> Iterator[Line]:
        while lines := self.chain.lines_after(place, FETCH, self._runs):
            yield from lines[:-1] if len(lines) == FETCH else lines
            if len(lines) < FETCH:
                return
            place = lines[-1][0]

    def _window_before(self, place: int) -> Iterator[Line]:
        assert self.window is not None
        places = self.window.places
        at = bisect_left(places, place)
        if at < FETCH and not self.window.ends[0]:
            self.wish(places[at] if at < len(places) else place, 4 * FETCH, FETCH if place < END else 0)
        for number in range(at - 1, -1, -1):
            yield from self.chain.lines_after(places[number], 1, self._runs)

    def _window_after(self, place: int) -> Iterator[Line]:
        assert self.window is not None
        places = self.window.places
        at = bisect_left(places, place)
        if len(places) - at < FETCH and not self.window.ends[1]:
            self.wish(place, FETCH, 4 * FETCH)
        for number in range(at, len(places)):
            yield from self.chain.lines_after(places[number], 1, self._runs)

    def _neighbour(self, place: int) -> Line | None:
        assert self.window is not None
        at = bisect_left(self.window.places, place)
        return (self.window.places[at - 1], b"") if at else None

    def share(self, place: int) -> float:
        whole = passed = 0
        for run in self._runs:
            whole += run.end - run.begin
            passed += max(0, min(place, run.end) - run.begin)
        return passed / whole if whole else 0.0

    # Rows.

    def _block(self, line: Line, first: bool) -> Block:
        place, data = line
        kept = self._rows.get((place, first))
        if kept is None or kept[0] != data:
            if len(self._rows) > KEEP:
                self._rows.clear()
            label = self._labels.get(place // STRIDE) if first else None
            kept = self._rows[place, first] = data, [*([self._label(label)] if label else ()), *self._strips(place, data)]
        return Block(place, kept[1])

    def _label(self, text: str) -> Strip:
        rest = max(2, self.width - cell_len(text) - 4)
        return Strip([Segment(f"{RULE * 2} {text} {RULE * rest}", self._tone("label"))]).crop(0, self.width)

    def _text(self, data: bytes) -> str:
        return shown(data, self.looks.times)

    def _strips(self, place: int, data: bytes) -> list[Strip]:
        text = self._text(data)
        level = level_of(data[:200])
        tone = TONES.get(LEVELS[level], "") if level is not None else ""
        strip = Strip(self._segments(text, place == self._here, self._tone(tone) if tone else self._style("")))
        if not self.looks.wrapped or strip.cell_length <= self.width:
            return [strip]
        cuts, total = [], 0
        for piece in chop_cells(text, self.width):
            total += cell_len(piece)
            cuts.append(total)
        return list(strip.divide(cuts))

    def _segments(self, text: str, here: bool, style: Style) -> list[Segment]:
        want = self._find
        spans = [] if want is None else self._spans.get(text, ()) if want.regex else want.spans(text)
        if not spans:
            return [Segment(text, style)]
        match = self._tone("here" if here else "match")
        found, at = [], 0
        for start, end in spans:
            found += [Segment(text[at:start], style), Segment(text[start:end], match)]
            at = end
        return [piece for piece in (*found, Segment(text[at:], style)) if piece.text]

    def _tone(self, name: str) -> Style:
        kept = self._tones.get(name)
        if kept is None:
            kept = self._tones[name] = self.get_component_rich_style(f"log-view--{name}")
        return kept

    def resized(self) -> None:
        self._rows.clear()
        self._tones.clear()

    # Copying.

    def copied(self) -> tuple[str, int]:
        """The match that is shown, else the lines on the screen, whole and clean; and how many lines that is."""
        places = dict.fromkeys(row.place for row in self._page)
        wanted = [self._here] if self._here in places else list(places)
        lines = [line for place in wanted for line in self.chain.lines_after(place, 1, self._runs)]
        return "\n".join(shown(data) for _, data in lines), len(lines)
