"""Logs in the app: opening a large one, following a flood, searching. Needs 12 GB of disk for the full size, which it frees.

The flood's last lines are numbered and say when they were written: what is on the screen tells how far behind it is, and whether
its lines follow each other.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from studio_core.bench.figure import ROUNDS, Row
from studio_core.bench.glass import Glass
from studio_core.bench.premises import premises
from studio_core.bench.screen import p95, processor
from studio_core.bench.terminal import Terminal
from studio_core.errors import StudioError, Unavailable
from studio_core.logs import seeker
from studio_core.logs.needle import Want
from studio_core.logs.segment import SegmentWriter

LARGE, SEARCHED = 10 * 10**9, 10**9
FLOOD = 100 * 10**6
NEEDLE = "a needle in the haystack"
WORDS = ("INFO", "request", "token", "cache", "decode", "prefill", "scheduler", "worker", "engine", "model", "layer", "batch")
UP, DOWN_TO_END = "\x1b[A", "\x1b[F"
# Lines of each piece that are numbered, and how often the screen is looked at for so long.
NUMBERED, LOOK_S, FOLLOW_S = 100, 0.1, 10.0
# In which a process that waits has come to wait.
READY_S = 0.4
# Who is further behind does not follow.
BEHIND_MS = 2000.0
STAMP = re.compile(r"line (\d{12}) written at (\d{12})")


def measure() -> Iterator[Row]:
    folder = Path(tempfile.mkdtemp(prefix="studio-bench-log-"))
    if shutil.disk_usage(folder).free < 2 * LARGE:
        shutil.rmtree(folder)
        raise Unavailable("too little room on the disk", f"{2 * LARGE} bytes are needed", "set TMPDIR to a larger disk")
    try:
        yield from _search(folder)
        yield from _app(folder)
    finally:
        shutil.rmtree(folder)


def block(count: int = 20_000) -> bytes:
    """Lines as an engine writes them, a few hundred of which hold nothing but noise."""
    chance = random.Random(1)
    rows = (f"INFO 11-28 03:{at // 60 % 60:02}:{at % 60:02} {' '.join(chance.choices(WORDS, k=12))} {chance.randrange(10**9)}"
            for at in range(count))
    return ("\n".join(rows) + "\n").encode()


def fill(path: Path, size: int, last: str) -> None:
    """A file of that size, none of it sparse, with the needle some hundred times."""
    piece = block()
    with path.open("wb") as out:
        while out.tell() < size:
            out.write(piece)
            if out.tell() // len(piece) % 3 == 0:
                out.write(f"ERROR {NEEDLE}\n".encode())
        out.write(f"{last}\n".encode())


def _search(folder: Path) -> Iterator[Row]:
    """A file in the page cache, counted by grep and by our process, in turns."""
    path = folder / "searched.log"
    fill(path, SEARCHED, "the end")
    ways = {
        "literal": Want(NEEDLE, exact=True), "in any case": Want(NEEDLE),
        "pattern": Want("n[e]+dle in .*stack", regex=True, exact=True),
        "literal, in every second line": Want("scheduler", exact=True),
    }
    for name, want in ways.items():
        grep, ours = [], []
        # Only the first has an aim.
        for _ in range((ROUNDS if name == "literal" else 2) + 1):
            grep.append(_grep(path, want))
            ours.append(_ours(path, want))
        note = f"{median(ours[1:]):.2f} s, grep {median(grep[1:]):.2f} s for 1 GB"
        aim = 0.5 if name == "literal" else None
        ratio = median(grep[1:]) / median(ours[1:])
        yield Row(f"logs: speed of a search, {name}, over grep -c", ratio, "times", aim, note, least=True)
    path.unlink()


def _grep(path: Path, want: Want) -> float:
    flags = ["-E" if want.regex else "-F", "-c", *(() if want.exact else ("-i",))]
    began = time.monotonic()
    # Into a pipe: what it writes to /dev/null it does not even look for.
    subprocess.run(["grep", *flags, "--", want.text, str(path)], stdout=subprocess.PIPE, check=True)
    return time.monotonic() - began


def _ours(path: Path, want: Want) -> float:
    """From what is asked until the count of the whole is told. The process waits already, as the app has one wait."""
    first = {"paths": [str(path)], "wants": [want._asdict()], "level": 0}
    process = subprocess.Popen(
        [sys.executable, "-S", "-s", "-E", seeker.__file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdin is not None and process.stdout is not None
        time.sleep(READY_S)
        began = time.monotonic()
        print(json.dumps(first), file=process.stdin, flush=True)
        for line in process.stdout:
            if json.loads(line).get("left") == 0:
                break
        lasted = time.monotonic() - began
        process.kill()
    return lasted


def _app(folder: Path) -> Iterator[Row]:
    path = folder / "large.log"
    fill(path, LARGE, "the very end of ten gigabytes")
    with premises() as home:
        log = home.places.history / "flood-0000" / "log"
        log.parent.mkdir()
        argv = [sys.executable, "-m", "studio_core"]
        with Terminal(argv, {**os.environ, **home.names}) as terminal:
            glass = Glass(terminal)
            glass.until("Recipes", 60)
            time.sleep(3)
            terminal.send("3")
            glass.until("following", 60)
            name_file(terminal, glass, path)
            yield Row("logs: 10 GB shown from Enter on", glass.latency("\r", "the very end of ten gigabytes"), "ms", 150.0)
            yield _fluid(terminal, glass)
            with _flood(log):
                yield from _follow(terminal, glass, log)


def name_file(terminal: Terminal, glass: Glass, path: Path) -> None:
    """Write a path where the app asks for a file."""
    terminal.send("o")
    glass.until("open this file", 30)
    # A person does not type faster than the app takes a key.
    for keys in ("\x15", str(path)):
        time.sleep(0.5)
        terminal.send(keys)
    glass.until(path.name, 30)
    time.sleep(0.5)


def _keys(glass: Glass, count: int) -> float:
    """One line up, which pauses, and back to the end, which follows."""
    return p95([glass.latency(*press) for press in [(UP, "paused"), (DOWN_TO_END, "following")] * count])


def _fluid(terminal: Terminal, glass: Glass) -> Row:
    """Keys while ten gigabytes are searched."""
    terminal.send("/")
    glass.until("find: a text", 30)
    time.sleep(0.5)
    terminal.send(NEEDLE)
    glass.until(NEEDLE, 30)
    time.sleep(0.5)
    terminal.send("\r")
    glass.until("paused", 30)
    terminal.send(DOWN_TO_END)
    found = _keys(glass, 20)
    searching = "%)" in glass.text
    terminal.send("\x1b")
    time.sleep(1)
    return Row("logs: key to frame while 10 GB are searched, p95", found, "ms", 100.0, "" if searching else "the search had ended")


def _follow(terminal: Terminal, glass: Glass, log: Path) -> Iterator[Row]:
    """The list is read again, the flood opened, and watched."""
    terminal.send("1")
    time.sleep(1)
    terminal.send("3")
    time.sleep(1)
    name_file(terminal, glass, log)
    terminal.send("\r")
    glass.until("written at", 30)
    time.sleep(3)
    used, sent, began = processor(terminal.pid), terminal.received, time.monotonic()
    behind, stamps = _behind(glass)
    lasted = time.monotonic() - began
    cpu, rate = (processor(terminal.pid) - used) / lasted * 100, (terminal.received - sent) / lasted
    yield Row("logs: processor while 100 MB/s are followed", cpu, "% of a core", 10.0, f"{rate / 1000:.1f} kB/s")
    yield Row("logs: the screen behind the flood, p95", p95(behind), "ms", None, f"{stamps} other pages in {lasted:.0f} s")
    yield Row("logs: key to frame in a flood of 100 MB/s, p95", _keys(glass, 30), "ms", 100.0)


def _behind(glass: Glass) -> tuple[list[float], int]:
    """Milliseconds by which the newest line on the screen is at most older than now, often, and how many pages there were.

    The end may lie among the equal lines of a piece that is being written: then the last numbered line that was seen counts.
    Raises StudioError where the screen does not follow, or its lines do not follow each other.
    """
    behind, pages, began, last = [], set(), time.monotonic(), 0
    while time.monotonic() - began < FOLLOW_S:
        text, now = glass.text, time.monotonic() * 1000
        found = [(int(number), int(at)) for number, at in STAMP.findall(text)]
        numbers = [number for number, _ in found]
        if found and numbers != list(range(numbers[0], numbers[0] + len(numbers))) and _still(glass, text):
            raise StudioError("the lines on the screen do not follow each other", str(numbers), text)
        if found:
            last = found[-1][1]
            pages.add(numbers[-1])
        if last:
            behind.append(now - last)
        time.sleep(LOOK_S)
    if not behind or p95(behind) > BEHIND_MS or len(pages) < FOLLOW_S:
        raise StudioError("the log does not follow", f"{len(pages)} pages, ms behind: {[round(one) for one in behind]}", glass.text)
    return behind, len(pages)


def _still(glass: Glass, text: str) -> bool:
    """Whether a text was no half of a frame: it stays so."""
    time.sleep(LOOK_S / 2)
    return glass.text == text


@contextlib.contextmanager
def _flood(log: Path) -> Iterator[None]:
    """A process that writes as a shim does."""
    code = "import sys; from studio_core.bench.log import pour; pour(sys.argv[1])"
    process = subprocess.Popen([sys.executable, "-c", code, str(log)])
    try:
        time.sleep(1)
        yield
    finally:
        process.kill()
        process.wait()


def pour(folder: str) -> None:
    """100 MB/s into a ring of segments, for ever: pieces of equal lines, each ended by numbered ones."""
    writer, piece, number = SegmentWriter(Path(folder), 1 << 20, 8 << 20, 6), block(2_000), 0
    began = time.monotonic()
    while True:
        at = time.monotonic() * 1000
        last = "".join(f"INFO scheduler line {number + one:012d} written at {at:012.0f}\n" for one in range(NUMBERED))
        number += NUMBERED
        writer.write(piece + last.encode())
        if (ahead := writer.offset / FLOOD - (time.monotonic() - began)) > 0:
            time.sleep(ahead)
