"""An editor that a test moves: it takes the terminal, shows what it has, and does what a file beside it says at the next key."""

from __future__ import annotations

import sys
import termios
import tty
from pathlib import Path


def main(plan: Path, text: Path) -> int:
    fields = termios.tcgetattr(0)
    tty.setcbreak(0)
    try:
        print(f"\x1b[2J\x1b[HEDITOR HAS\r\n{text.read_text().splitlines()[0]}", flush=True)
        sys.stdin.read(1)
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, fields)
    word, _, rest = plan.read_text().partition(" ")
    if word == "replace":
        old, new = rest.split(" -> ")
        text.write_text(text.read_text().replace(old, new))
    elif word == "write":
        text.write_text(rest)
    return int(rest) if word == "exit" else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
