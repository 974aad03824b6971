"""Texts that want to act on a terminal. Each carries MARK, which must never arrive inside of a sequence."""

from __future__ import annotations

MARK = "PWNED"
# Sequences: gone with all that they hold.
SEQUENCES = (
    f"\x1b]0;{MARK}\x07", f"\x1b]2;{MARK}\x1b\\", f"\x1b]52;c;{MARK}\x07", f"\x1b]8;;http://{MARK}\x1b\\",
    f"\x1b]1337;File={MARK}\x07",
    f"\x1b]4;1;{MARK}\x07", f"\x1b]777;notify;{MARK}\x07", f"\x1bP{MARK}\x1b\\", f"\x1bP+q{MARK}\x1b\\", f"\x1b_{MARK}\x1b\\",
    f"\x1b^{MARK}\x1b\\", f"\x1bX{MARK}\x1b\\", f"\x9d0;{MARK}\x9c", f"\x90{MARK}\x9c", f"\x9f{MARK}\x9c", f"\x1b]0;{MARK}",
    "\x1b[666m", "\x1b[666;666H", "\x1b[?666h", "\x1b[666t", "\x9b666m", "\x1b[666S", "\x1b[666q",
    "\x1bc", "\x1b#8", "\x1b(0", "\x1bM",
    "\x1b[6n", "\x1b[c", "\x1b[5i", "\x1bZ",
)
# Single characters that steer, hide or reorder: shown as signs.
CHARACTERS = tuple("\x00\x05\x07\x08\x0b\x0c\x0e\x0f\x11\x13\x7f\x84\x85\x8d\u200b\u200e\u200f\u202a\u202e\u2066\u2069\ufeff\u2028")
# What a markup parser would take for its own.
MARKUP = ("[bold red]", "[/]", "[@click=app.quit]", "[link=http://x]", "[[", "\\[", "[$error]", "[on red", "[/bold]")
ALL = (*SEQUENCES, *CHARACTERS, *MARKUP)


def wrapped() -> list[str]:
    """Each payload between words, so that its line can be found again."""
    return [f"before {payload} after" for payload in ALL]
