"""An hour of use in some minutes: as many samples, rooms, log lines, answers and keys as an hour has, and the memory then."""

from __future__ import annotations

import itertools
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from studio_core.bench.dashboard import is_up, machine, studio
from studio_core.bench.figure import Row
from studio_core.bench.glass import Glass
from studio_core.bench.launch import scripted
from studio_core.bench.log import name_file
from studio_core.bench.premises import Premises, premises
from studio_core.bench.terminal import Terminal
from studio_core.errors import StudioError

MB, AIM_MB = 1e6, 70.0
# Of an hour: a sample a second, a room every ten, a hundred log lines a second, an answer a minute, a key every two seconds.
SAMPLES, ROOMS, LINES, ANSWERS, KEYS = 3600, 360, 360_000, 60, 1800
# Seconds between samples here, and the longest that all may take.
SAMPLE_S, PATIENCE_S = 0.02, 400.0
# Nobody presses a key for so long before the end is measured.
CALM_S = 10.0
# Digit → what its room shows. The chat takes digits as text, so it is left with escape.
SHOWN = {"2": "LOADED IN", "3": "\u256d\u2500 Logs", "5": "\u256d\u2500 All requests", "9": "[ ] turn", "4": "\u256d\u2500 Chats"}
# What the footer says where letters are keys.
LEFT = "q Quit"
ESCAPE_S = 0.3
ESCAPE, UP, END = "\x1b", "\x1b[A", "\x1b[F"


def rows() -> Iterator[Row]:
    """Resident megabytes of the app at the beginning and after the hour."""
    os.environ["VLLM_STUDIO_SAMPLE_S"] = str(SAMPLE_S)
    try:
        with machine(), premises() as home, tempfile.TemporaryDirectory() as folder:
            home.client.put_recipe(scripted(Path(folder), tokens=100, token_s=0.002))
            home.launch("scripted")
            with Terminal(studio(), {**os.environ, **home.names}) as terminal:
                yield _hour(home, terminal)
    finally:
        del os.environ["VLLM_STUDIO_SAMPLE_S"]


def _hour(home: Premises, terminal: Terminal) -> Row:
    is_up(terminal)
    glass, began = Glass(terminal), time.monotonic()
    first = terminal.cost().rss / MB
    _log(home, terminal, glass)
    _answers(terminal, glass)
    keys = _keys(terminal, glass)
    samples, rooms = _samples(home, terminal, glass, began)
    lasted = time.monotonic() - began
    time.sleep(CALM_S)
    rss = terminal.cost().rss / MB
    told = f"{samples} samples shown, {rooms} rooms, {LINES} log lines followed, {ANSWERS} answers of 100 tokens, {keys} keys"
    if samples < SAMPLES or rooms < ROOMS:
        raise StudioError("an hour's use was not reached", told, f"in {lasted:.0f} s")
    memory = f"{first:.0f} MB at first, {_peak(terminal.pid):.0f} MB at most"
    return Row("dashboard: memory after an hour of use", rss, "MB", AIM_MB, f"{memory}; {told}, in {lasted:.0f} s")


def _peak(pid: int) -> float:
    """The most megabytes that were resident at once."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 / MB for line in lines if line.startswith("VmHWM"))


def _go(terminal: Terminal, glass: Glass, digit: str) -> None:
    terminal.send(digit)
    glass.until(SHOWN.get(digit, "GPU USE"), 30)


def _log(home: Premises, terminal: Terminal, glass: Glass) -> None:
    """The log of a start is open while it grows."""
    path = home.places.history / "hour-0000" / "log" / "0000000000000000.log"
    path.parent.mkdir(parents=True)
    path.write_text("INFO the first line\n", encoding="ascii")
    _go(terminal, glass, "3")
    name_file(terminal, glass, path)
    terminal.send("\r")
    glass.until("INFO the first line", 30)
    with path.open("a", encoding="ascii") as out:
        for piece in (range(at, at + 4000) for at in range(0, LINES, 4000)):
            out.writelines(f"INFO request {at} of the hour, 17 tokens in, 128 tokens out, 41.2 tokens a second\n" for at in piece)
            out.flush()
            time.sleep(0.1)
    glass.until(f"INFO request {LINES - 1} of the hour", 30)


def _answers(terminal: Terminal, glass: Glass) -> None:
    _go(terminal, glass, "4")
    for at in range(ANSWERS):
        terminal.send("tell me\r")
        glass.until(f"tokens/s \u00b7 {2 * at + 2} messages", 30)
    _leave_chat(terminal, glass)


def _leave_chat(terminal: Terminal, glass: Glass) -> None:
    """Escape is a key of its own when nothing follows it at once; the footer may say so before it was read."""
    terminal.send(ESCAPE)
    time.sleep(ESCAPE_S)
    glass.until(LEFT, 30)


def _keys(terminal: Terminal, glass: Glass) -> int:
    _go(terminal, glass, "3")
    for _ in range(KEYS // 20):
        terminal.send(UP * 19)
        time.sleep(0.02)
        terminal.send(END)
    return KEYS


def _samples(home: Premises, terminal: Terminal, glass: Glass, began: float) -> tuple[int, int]:
    """Rooms in turns, and back on the dashboard, which alone listens to samples, until there were as many as in an hour."""
    samples = rooms = 0
    while (samples < SAMPLES or rooms < ROOMS) and time.monotonic() - began < PATIENCE_S:
        for digit in itertools.islice(itertools.cycle("2359" * 3 + "4"), 26 if rooms < ROOMS else 0):
            _go(terminal, glass, digit)
            rooms += 1
            if digit == "4":
                _leave_chat(terminal, glass)
        _go(terminal, glass, "1")
        seen = _published(home)
        time.sleep(4.0)
        samples += _published(home) - seen
    return samples, rooms


def _published(home: Premises) -> int:
    return int(home.client.event_counts()["published"].get("gpu", 0))
