"""Every sign that is not ASCII, with the sign that stands for it where a terminal cannot show it.

The app draws with the left ones; in ASCII mode a filter replaces them in every line that is painted, borders and Textual's own
widgets included. What is not in the table comes from people or models and becomes `?`.

What a person types or pastes is his own text and is kept as it is; what would act on the terminal is taken out where it is painted.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import lru_cache

from rich.cells import cell_len, get_character_cell_size, set_cell_size
from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

from studio_core.text import ACTING

# Each sign of the left side is shown as the one on the right.
GROUPS = (
    ("\u25cf", "*"), ("\u25cc", "z"), ("\u25d0", "~"), ("\u25d1", "v"), ("\u2716", "X"), ("\u25b2", "!"), ("\u2016", "="),
    ("\u25cb\u25e6", "o"), ("\u25c7", "<"), ("\u25c6", "@"), ("\u2714\u2713", "+"), ("\u26a0", "!"), ("\u2717\u2715", "x"),
    ("\u25d2\u25d3\u25d4\u25d5", "~"), ("\u2691\u2690", "P"), ("\u2605", "*"), ("\u2606", "."), ("\u25c9\u25ce", "0"),
    ("\u25b8\u25b6\u203a\u276f\u2192\u21e2\u25ba\u25b9", ">"), ("\u25c2\u25c0\u2039\u276e\u2190\u25c4", "<"),
    ("\u25b4\u2191\u25b3", "^"), ("\u25be\u25bc\u2193\u25bd", "v"), ("\u23ce\u21b5\u23f5", ">"), ("\u21e7", "^"),
    ("\u21b3\u2514", "+"), ("\u21bb\u27f3", "@"), ("\u2026", "."), ("\u2013\u2014\u2212\u2011", "-"), ("\xb7", "-"),
    ("\u2022", "*"), ("\xd7", "x"), ("\xb0", "'"), ("\u2248", "~"), ("\u2264", "<"), ("\u2265", ">"), ("\xb1", "+"),
    ("\xb5\u03bc", "u"), ("\u2018\u2019\u2032", "'"), ("\u201c\u201d\u2033", '"'), ("\xa0\u2009\u202f", " "),
    ("\u0394\u2206", "d"), ("\u2211", "S"), ("\u221e", "8"), ("\xa7", "S"), ("\xab", "<"), ("\xbb", ">"),
    ("\u2501\u2550\u2578\u257a\u257e\u257c", "="), ("\u2500\u2504\u2508\u254c\u2574\u2576\u2581\u2594\u23af\u23ba\u23bd", "-"),
    (
        "\u2502\u2503\u2506\u250a\u2551\u2575\u2577\u2579\u257b\u254e\u258a\u258b\u258c\u258d\u258e\u258f"
        "\u2590\u2595\u23d0\u2507", "|",
    ),
    (
        "\u250c\u250d\u250e\u250f\u2510\u2511\u2512\u2513\u2515\u2516\u2517\u2518\u2519\u251a\u251b\u251c"
        "\u251d\u2520\u2523\u2524\u2525\u2528\u252b\u252c\u252f\u2530\u2533\u2534\u2537\u2538\u253b\u253c"
        "\u253f\u2542\u254b\u2552\u2553\u2554\u2555\u2556\u2557\u2558\u2559\u255a\u255b\u255c\u255d\u255e"
        "\u255f\u2560\u2561\u2562\u2563\u2564\u2565\u2566\u2567\u2568\u2569\u256a\u256b\u256c\u256d\u256e"
        "\u256f\u2570", "+",
    ),
    ("\u2571", "/"), ("\u2572", "\\"), ("\u2582", "_"), ("\u2583", "."), ("\u2584", ":"), ("\u2585", "+"), ("\u2586", "*"),
    ("\u2587\u2588\u2589", "#"), ("\u2580", '"'), ("\u2591", "."), ("\u2592", ":"), ("\u2593", "#"),
    ("\u25a0\u25aa\u25ae\u25b0\u25fc", "#"), ("\u25a1\u25ab\u25af\u25b1\u25fb", "o"), ("\u2596\u2597\u2598\u259d", "."),
    ("\u2599\u259b\u259c\u259f", "#"), ("\u259a\u259e", ":"),
)
DOTS = (" ", ".", ".", ":", ":", "|", "|", "#", "#")
BRAILLE = range(0x2800, 0x2900)
TABLE: Mapping[str, str] = {
    **{sign: plain for signs, plain in GROUPS for sign in signs},
    # A graph of dots: the more of them, the heavier the sign.
    **{chr(code): DOTS[(code & 0xFF).bit_count()] for code in BRAILLE},
}
# Terminals that cannot show more, whatever the locale says.
POOR = ("linux", "dumb", "vt100", "vt102", "vt220", "ansi", "cons25")


def plain(text: str) -> str:
    """The text in ASCII, in as many cells."""
    return text if text.isascii() else "".join(map(_plain, text))


@lru_cache(4096)
def _plain(sign: str) -> str:
    if sign.isascii():
        return sign
    return TABLE.get(sign) or "?" * get_character_cell_size(sign)


def is_ascii(setting: str, environ: Mapping[str, str] | None = None) -> bool:
    """Whether to draw with ASCII only: as the setting says, else by terminal and locale."""
    if setting != "auto":
        return setting == "ascii"
    environ = os.environ if environ is None else environ
    locale = next((environ[name] for name in ("LC_ALL", "LC_CTYPE", "LANG") if environ.get(name)), "")
    return environ.get("TERM", "") in POOR or (bool(locale) and "utf8" not in locale.lower().replace("-", ""))


class Plain(LineFilter):
    """Every painted line in ASCII."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        return [each if each.text.isascii() else Segment(plain(each.text), each.style, each.control) for each in segments]


class Harmless(LineFilter):
    """The last look at every painted line: no character in it acts on the terminal, and nothing beside it moves."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        if all((each.text.isascii() and each.text.isprintable()) or not ACTING.search(each.text) for each in segments):
            return segments
        return [Segment(harmless(each.text), each.style) if each.control is None else each for each in segments]


def harmless(text: str) -> str:
    """The text in as many cells, without what steers, hides or reorders. Of that, what has a width becomes `?`."""
    return set_cell_size(ACTING.sub(lambda found: "?" * cell_len(found.group()), text), cell_len(text))
