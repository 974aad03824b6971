"""The painter writes less than Textual would, and a real terminal emulator shows the same."""

from __future__ import annotations

import io
import random
import sys
from collections.abc import Iterator

import pyte
import pytest
from rich.cells import cell_len
from rich.color import ColorSystem
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate
from textual.geometry import Region
from textual.strip import Strip

from studio_tui.painter import PLAIN, SINGLE, Painter, Pen, change, pen, runs

WIDTH, HEIGHT = 40, 6
STYLES = [
    Style.parse(text)
    for text in ("#aabbcc on #101010", "bold #aabbcc on #101010", "red on #101010", "#aabbcc", "reverse blue", "none")
]
WORDS = ["a", "loading ", "\u6a21\u578b", "\u28ff\u2880", "  ", "7", "\u25cf ready", "#"]


class Screen:
    """A terminal, and the same frames as Textual would write them on another."""

    def __init__(self) -> None:
        self.console = Console(force_terminal=True, color_system="truecolor", file=io.StringIO(), width=WIDTH)
        self.painter = Painter()
        self.ours, self.theirs = pyte.Screen(WIDTH, HEIGHT), pyte.Screen(WIDTH, HEIGHT)
        self.bytes = {"ours": 0, "theirs": 0}

    def show(self, update: CompositorUpdate) -> CompositorUpdate | None:
        theirs = update.render_segments(self.console)
        ours = self.painter.update(update, self.console, (WIDTH, HEIGHT))
        mine = ours.render_segments(self.console) if ours else ""
        for screen, text, name in ((self.theirs, theirs, "theirs"), (self.ours, mine, "ours")):
            self.bytes[name] += len(text.encode())
            pyte.Stream(screen).feed(text)
        return ours

    def cells(self, screen: pyte.Screen) -> list[list[object]]:
        return [[screen.buffer[y][x] for x in range(WIDTH)] for y in range(HEIGHT)]


def row(chance: random.Random) -> Strip:
    segments: list[Segment] = []
    while sum(segment.cell_length for segment in segments) < WIDTH:
        segments.append(Segment(chance.choice(WORDS), chance.choice(STYLES)))
    return Strip(segments).adjust_cell_length(WIDTH, STYLES[0])


def whole(rows: list[Strip]) -> LayoutUpdate:
    return LayoutUpdate([[one] for one in rows], Region(0, 0, WIDTH, HEIGHT))


def part(rows: dict[int, Strip]) -> ChopsUpdate:
    chops = [{0: rows.get(y)} for y in range(HEIGHT)]
    return ChopsUpdate(chops, [(y, 0, WIDTH) for y in rows], [[WIDTH] for _ in range(HEIGHT)])


@pytest.mark.parametrize("seed", range(20))
def test_any_run_of_frames_looks_the_same(seed: int) -> None:
    chance = random.Random(seed)
    screen = Screen()
    screen.show(whole([row(chance) for _ in range(HEIGHT)]))
    for _ in range(12):
        if chance.random() < 0.1:
            screen.show(whole([row(chance) for _ in range(HEIGHT)]))
        else:
            screen.show(part({y: row(chance) for y in sorted(chance.sample(range(HEIGHT), chance.randint(1, 4)))}))
        assert screen.cells(screen.ours) == screen.cells(screen.theirs)


def test_what_combines_stays_with_its_sign() -> None:
    screen = Screen()
    screen.show(whole([Strip.blank(WIDTH, STYLES[0])] * HEIGHT))
    for word in ("cafe\u0301s", "cafes", "caf\u00e9s", "\u6a21e\u0301"):
        screen.show(part({2: Strip([Segment(word, STYLES[1])]).adjust_cell_length(WIDTH, STYLES[0])}))
        assert screen.cells(screen.ours) == screen.cells(screen.theirs)


def test_what_lies_beside_a_span_is_not_touched() -> None:
    """Of a list in the left half Textual hands over the right half too, without what stands there."""
    screen = Screen()
    line = Strip([Segment("-" * WIDTH, STYLES[0])])
    screen.show(whole([line] * HEIGHT))
    for begin, end in ((0, 12), (20, 30), (0, 20), (20, WIDTH)):
        left, right = Strip([Segment("L" * 20, STYLES[1])]), Strip.blank(WIDTH - 20, STYLES[0])
        chops = [{0: left, 20: right} for _ in range(HEIGHT)]
        screen.show(ChopsUpdate(chops, [(2, begin, end), (3, begin, begin + 2)], [[20, WIDTH]] * HEIGHT))
        assert screen.cells(screen.ours) == screen.cells(screen.theirs)


def test_what_is_not_measured_takes_one_cell() -> None:
    signs = [chr(code) for code in range(sys.maxunicode + 1)]
    wrong = [sign for sign in signs if SINGLE(sign) and cell_len(sign) != 1]
    assert wrong == [] and all(map(SINGLE, "a \u2501\u28ff\u00b7\u2192\u00b0"))


def figures() -> Iterator[Strip]:
    for second in range(30):
        yield Strip([Segment("GPU 0  ", STYLES[0]), Segment("\u2501" * (second % 5 + 3), STYLES[1]),
                     Segment("\u2500" * (7 - second % 5), STYLES[2]), Segment(f"  {second:>3} % of it".ljust(23), STYLES[0])])


def test_a_frame_of_changed_figures_costs_a_fraction_and_one_without_change_nothing() -> None:
    screen = Screen()
    screen.show(whole([Strip.blank(WIDTH, STYLES[0])] * HEIGHT))
    screen.bytes = {"ours": 0, "theirs": 0}
    for line in figures():
        screen.show(part({2: line}))
        assert screen.show(part({2: line})) is None
    assert screen.bytes["ours"] * 3 < screen.bytes["theirs"]


def test_before_the_first_whole_frame_and_after_another_writer_everything_is_written() -> None:
    screen = Screen()
    line = part({1: row(random.Random(1))})
    assert screen.show(line) is line
    screen.show(whole([Strip.blank(WIDTH)] * HEIGHT))
    screen.painter.forget()
    again = part({1: row(random.Random(2))})
    assert screen.show(again) is again


def test_a_pen_changes_by_the_shortest_way() -> None:
    ground = pen(Style.parse("#aabbcc on #101010"), ColorSystem.TRUECOLOR, False)
    assert ground == Pen("", "38;2;170;187;204", "48;2;16;16;16")
    assert change(ground, ground) == ""
    assert change(ground, ground._replace(foreground="31")) == "\x1b[31m"
    assert change(ground, ground._replace(attributes="1")) == "\x1b[0;1;38;2;170;187;204;48;2;16;16;16m"
    assert change(ground, PLAIN) == "\x1b[0m"
    assert pen(Style.parse("bold red"), ColorSystem.TRUECOLOR, True) == Pen("1")
    assert pen(Style.parse("bright_red on color(200)"), ColorSystem.EIGHT_BIT, False) == Pen("", "91", "48;5;200")
    linked = pen(Style(link="https://example.org"), ColorSystem.TRUECOLOR, False)
    assert change(PLAIN, linked) == "\x1b]8;;https://example.org\x1b\\" and change(linked, PLAIN) == "\x1b]8;;\x1b\\"


@pytest.mark.parametrize(("changed", "found"), [
    ([], []),
    ([3], [(3, 4)]),
    ([3, 4, 8], [(3, 9)]),
    ([3, 9], [(3, 4), (9, 10)]),
    ([12], [(11, 13)]),
    ([0, 19], [(0, 1), (19, 20)]),
    ([13, 15], [(13, 14), (15, 16)]),
])
def test_changed_cells_are_written_in_runs(changed: list[int], found: list[tuple[int, int]]) -> None:
    """A sign of two cells begins at 11; from 14 on another pen writes."""
    text = [*"0123456789a", "模", "", *"defghij"]
    pens = [PLAIN] * 14 + [Pen("1")] * 6
    assert list(runs(changed, text, pens)) == found
