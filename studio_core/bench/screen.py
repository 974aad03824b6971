"""What a program in a terminal costs while it is watched, and how soon it answers a key. For every app beside each other."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from dataclasses import dataclass

from studio_core.bench.terminal import Terminal
from studio_core.errors import Unavailable

# Sequences that pyte would print or take for others: keyboard protocol, mode queries.
PRIVATE = re.compile(rb"\x1b\[[<>=][0-9;:]*[a-zA-Z]|\x1b\[\?[0-9;]*\$p|\x1b\[\?u|\x1bP[^\x1b]*\x1b\\")


@dataclass(frozen=True, slots=True)
class Steady:
    """Over a while: percent of one core, bytes and reads a second, and at its end resident bytes."""

    cpu: float
    bytes_s: float
    reads_s: float
    rss: int


def steady(terminal: Terminal, seconds: float, settle: float = 2.0) -> Steady:
    """Watch the program for `seconds` after it has settled. Its children do not count. Raises ProcessLookupError when it ends."""
    time.sleep(settle)
    used, sent, reads, began = processor(terminal.pid), terminal.received, terminal.reads, time.monotonic()
    time.sleep(seconds)
    lasted = time.monotonic() - began
    return Steady(
        (processor(terminal.pid) - used) / lasted * 100, (terminal.received - sent) / lasted,
        (terminal.reads - reads) / lasted, terminal.cost().rss,
    )


def text(terminal: Terminal) -> list[str]:
    """The lines that the terminal shows now. Raises Unavailable without pyte."""
    try:
        import pyte
    except ImportError as error:
        raise Unavailable("no terminal emulator to read the screen with", "", "pip install pyte") from error
    screen = pyte.Screen(terminal.columns, terminal.rows)
    pyte.ByteStream(screen).feed(PRIVATE.sub(b"", bytes(terminal.output)))
    return [line.rstrip() for line in screen.display]


def processor(pid: int) -> float:
    """Seconds of processor time that a process has used, exact to microseconds. Raises ProcessLookupError when it is gone."""
    try:
        # The clock of another process (clock_getcpuclockid(3) makes its number like this); /proc counts in steps of 10 ms.
        return time.clock_gettime((~pid << 3) | 2)
    except OSError as error:
        raise ProcessLookupError(pid) from error


def latencies(terminal: Terminal, presses: Iterable[tuple[str, str]], pause: float = 0.05, timeout: float = 10.0) -> list[float]:
    """Milliseconds from each key until the text that it leads to was written. Presses are (keys, text)."""
    found = []
    for keys, text in presses:
        start, began = terminal.received, time.monotonic()
        terminal.send(keys)
        terminal.wait_for(text, timeout, start)
        found.append((time.monotonic() - began) * 1000)
        time.sleep(pause)
    return found


def answers(terminal: Terminal, keys: Iterable[str], quiet: float = 0.3, timeout: float = 10.0) -> list[float]:
    """Milliseconds from each key to the first byte of the frame that answers it, of a program that is quiet between keys.

    Raises:
        TimeoutError: a key had no answer.
    """
    found = []
    for key in keys:
        seen = _quiet(terminal, quiet)
        began = time.monotonic()
        terminal.send(key)
        while terminal.received == seen:
            if time.monotonic() - began > timeout:
                raise TimeoutError(f"{key!r} was not answered")
            time.sleep(0.0005)
        found.append((time.monotonic() - began) * 1000)
    return found


def _quiet(terminal: Terminal, seconds: float) -> int:
    """What the program has written when it has been quiet for so long."""
    seen = -1
    while seen != terminal.received:
        seen = terminal.received
        time.sleep(seconds)
    return seen


def p95(values: Iterable[float]) -> float:
    """The value that 95 in 100 do not exceed. Raises ValueError for none."""
    ranked = sorted(values)
    if not ranked:
        raise ValueError("no values")
    return ranked[min(len(ranked) - 1, int(len(ranked) * 0.95))]
