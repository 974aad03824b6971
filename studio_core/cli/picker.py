"""A list to choose from, inline in the terminal: arrows or letters that filter, Enter, Esc. Plain numbers without a tty."""

from __future__ import annotations

import os
import sys
import termios
import tty
from collections.abc import Sequence

from studio_core.text import line

ROWS = 10
UP, DOWN = (b"\x1b[A", b"\x1bOA", b"\x10"), (b"\x1b[B", b"\x1bOB", b"\x0e")
ENTER, LEAVE, RUBOUT = (b"\r", b"\n"), (b"\x1b", b"\x03", b"\x04"), (b"\x7f", b"\x08")


def pick(title: str, choices: Sequence[tuple[str, str]]) -> str | None:
    """The name of the chosen (name, description), or None."""
    if not sys.stdin.isatty() or not sys.stderr.isatty():
        return _by_number(title, choices)
    handle = sys.stdin.fileno()
    before = termios.tcgetattr(handle)
    tty.setcbreak(handle)
    try:
        return _loop(handle, title, choices)
    finally:
        termios.tcsetattr(handle, termios.TCSADRAIN, before)


def _loop(handle: int, title: str, choices: Sequence[tuple[str, str]]) -> str | None:
    typed, row = "", 0
    while True:
        found = [choice for choice in choices if typed.lower() in " ".join(choice).lower()]
        row = max(0, min(row, len(found) - 1))
        first = max(0, row - ROWS + 1)
        lines = _draw(title, typed, found[first : first + ROWS], row - first)
        key = os.read(handle, 16)
        sys.stderr.write("\x1b[A" * lines + "\r\x1b[J")
        if not key:
            # The terminal is gone.
            return None
        if key in ENTER:
            return found[row][0] if found else None
        if key in LEAVE:
            return None
        if key in UP or key in DOWN:
            row += 1 if key in DOWN else -1
        elif key in RUBOUT:
            typed, row = typed[:-1], 0
        elif key.isascii() and key.decode().isprintable():
            typed, row = typed + key.decode(), 0


def _draw(title: str, typed: str, found: Sequence[tuple[str, str]], row: int) -> int:
    """Draw it; returns how many lines to go up again."""
    width = os.get_terminal_size(sys.stderr.fileno()).columns
    rows = [f"{title}: {typed}"]
    for number, (name, description) in enumerate(found):
        rows.append(f"{'>' if number == row else ' '} {line(name)}  {line(description)}")
    sys.stderr.write("\n".join(text[: width - 1] for text in rows) + "\n")
    sys.stderr.flush()
    return len(rows)


def _by_number(title: str, choices: Sequence[tuple[str, str]]) -> str | None:
    for number, (name, description) in enumerate(choices, 1):
        print(f"{number}  {line(name)}  {line(description)}", file=sys.stderr)
    print(f"{title} (number): ", end="", file=sys.stderr, flush=True)
    answer = sys.stdin.readline().strip()
    return choices[int(answer) - 1][0] if answer.isdigit() and 0 < int(answer) <= len(choices) else None
