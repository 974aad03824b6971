"""Texts that want to act on a terminal. Each carries MARK, which must never arrive inside of a sequence."""

from __future__ import annotations

from itertools import product

MARK = "PWNED"
# Operating system commands: title, colours, folder, hyperlink, notice, clipboard, file, shell marks.
_OSC = (0, 1, 2, 4, 7, 8, 9, 10, 11, 12, 22, 50, 52, 99, 104, 133, 633, 777, 1337)
_STARTS = ("\x1b]", "\x9d")
_ENDS = ("\x07", "\x1b\\", "\x9c", "", "\x18")
_STRINGS = ("\x1bP", "\x1bX", "\x1b^", "\x1b_", "\x90", "\x98", "\x9e", "\x9f")
_FINALS = "ABCDEFGHIJKLMPSTXZ`abcdefghilmnpqrstux"
# Sequences: gone with all that they hold.
SEQUENCES = (
    *(f"{start}{number};{MARK}{end}" for start, number, end in product(_STARTS, _OSC, _ENDS)),
    *(f"{start}{MARK}{end}" for start, end in product(_STRINGS, ("\x1b\\", "\x9c", ""))),
    f"\x1b]52;c;{MARK}\x07", f"\x1b]8;id=1;http://{MARK}\x1b\\text\x1b]8;;\x1b\\", f"\x1b]1337;File=inline=1:{MARK}\x07",
    f"\x1bP+q{MARK}\x1b\\", f"\x1bPtmux;\x1b\x1b]52;c;{MARK}\x07\x1b\\", f"\x1b_Gf=100;{MARK}\x1b\\", f"\x1bP0;1|{MARK}\x1b\\",
    *(f"\x1b[666{final}" for final in _FINALS), *(f"\x9b666{final}" for final in _FINALS),
    *(f"\x1b[{lead}666{final}" for lead, final in product("?>=", "hlmnu")),
    "\x1b[666;666H", "\x1b[!p", "\x1b[666 q", "\x1b[6n", "\x1b[c", "\x1b[5i", "\x1b[200~", "\x1b[2J", "\x1b[3J", "\x1b[1;1r",
    "\x1bc", "\x1b#8", "\x1b(0", "\x1b)0", "\x1bM", "\x1bD", "\x1bE", "\x1bH", "\x1bN", "\x1bO", "\x1bZ", "\x1b7", "\x1b8", "\x1b=",
    "\x1b>", "\x1bn", "\x1bo", "\x1b|", "\x1b}", "\x1b~", "\x1b%G", "\x1b%@", "\x1b l", "\x1b\x1b[666m",
)
# Single characters that steer, hide or reorder: shown as signs, or gone.
CHARACTERS = (
    *(chr(code) for code in (*range(0x09), 0x0B, 0x0C, *range(0x0E, 0x1B), *range(0x1C, 0x20), 0x7F)),
    *(chr(code) for code in range(0x80, 0xA0) if code not in (0x90, 0x98, 0x9B, 0x9D, 0x9E, 0x9F)),
    *"\u00ad\u061c\u115f\u180e\u200b\u200c\u200d\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2060\u2061\u2063",
    *"\u2066\u2067\u2068\u2069\u206a\u206f\u3164\ufeff\uffa0\ufff9\ufffa\ufffb\U000e0001\U000e0041\U000e007f",
)
# What a markup parser, or Markdown, would take for its own.
MARKUP = (
    "&#8238;", "&#x202e;", "&#27;[31m", "&#155;31m", "&ZeroWidthSpace;", "&#8203;", "[x](http://x/&#8238;y)",
    "[bold red]", "[/]", "[@click=app.quit]", "[link=http://x]", "[[", "\\[", "[$error]", "[on red", "[red]x[/red]",
    "[reverse]", "[@click=app.bell()]y[/]", "[b]", "[not bold]", "[link]", "]", "[", "[]", "[/red", "[dim", "<b>", "&lt;",
    "[/bold]",
)
# Wide, ambiguous, piled up, broken: these may be shown, but nothing beside them may move.
SHAPES = (
    "e" + "\u0301" * 500, "\u4e2d\u6587" * 20, "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\U0001f1e9\U0001f1ea", "\u2764\ufe0f",
    "a\ufe0e\ufe0f", "\uffff", "\U0010ffff", "\u00b7\u2500\u2580\u2665", "\u0e01\u0e33" * 5,
    "\u1f600", "\uff21" * 9,
)
ALL = (*SEQUENCES, *CHARACTERS, *MARKUP)


def wrapped() -> list[str]:
    """Each payload between words, so that its line can be found again."""
    return [f"before {payload} after" for payload in ALL]
