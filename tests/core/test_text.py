"""What the sanitiser lets through, in one piece and in any pieces."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio_core.text import Sanitiser, clean, line

CASES = {
    "plain \u00fc \u4e2d \U0001f600\ttab\n": "plain \u00fc \u4e2d \U0001f600\ttab\n",
    "a\x1b[31mred\x1b[0m": "ared",
    "x\x1b]52;c;QUFB\x07y": "xy",
    "x\x1b]0;title\x1b\\y": "xy",
    "\x1bPq#0\x1b\\dcs \x1b_apc\x1b\\ \x1b^pm\x1b\\ \x1bXsos\x1b\\": "dcs   ",
    "\x9b31mC1 \x9d0;t\x9cosc": "C1 osc",
    "\x1b]never ended\nnext line": "\nnext line",
    "\x1b[12\x1b[31mrestarted": "restarted",
    "\x1b(Bcharset \x1b#8align": "charset align",
    "\x1b[?1049h\x1bc\x1b=reset": "reset",
    "bell\x07 back\x08 nul\x00 del\x7f": "bell\u2407 back\u2408 nul\u2400 del\u2421",
    "abc\u202edcba\u200bx\ufeff": "abc<U+202E>dcba<U+200B>x<U+FEFF>",
    "heart \u2764\ufe0f": "heart \u2764",
    "lone \ud800": "lone \ufffd",
    "10%\r20%\r\x1b[K30%\r\ndone\r\n": "30%\ndone\n",
}


@pytest.mark.parametrize(("text", "shown"), CASES.items())
def test_shows_what_is_text_and_nothing_else(text: str, shown: str) -> None:
    assert clean(text) == shown


@given(st.text(alphabet=st.one_of(st.sampled_from("\x1b\x9b\x9d[];PX^_\\\x07\x9c\x18mHc0?( \n\r\u202e"), st.characters())))
def test_nothing_that_acts_comes_through(text: str) -> None:
    for character in clean(text):
        assert character in "\t\n" or unicodedata.category(character) not in {"Cc", "Cs"}


@given(st.lists(st.text(alphabet="ab\x1b[]0;m\x07\\\n\r\x9b\x9d\u202e", max_size=6)))
def test_pieces_give_what_the_whole_gives(pieces: list[str]) -> None:
    whole, parts = Sanitiser(), Sanitiser()
    assert "".join(parts.feed(piece) for piece in [*pieces, "."]) == whole.feed("".join(pieces) + ".")


def test_a_stream_never_overwrites_what_it_printed() -> None:
    stream = Sanitiser()
    assert [stream.feed(piece) for piece in ("pay 100\r", "pay 999\r", "\nend")] == ["pay 100", "\npay 999", "\nend"]


def test_a_name_stays_on_one_line() -> None:
    assert line("two\nlines\tand \x1b[1mbold") == "two lines and bold"
