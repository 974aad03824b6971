"""Logs in the app: opening a large one, following a flood, searching. Needs 12 GB of disk for the full size, which it frees."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from studio_core.bench.figure import ROUNDS, Row
from studio_core.bench.premises import premises
from studio_core.bench.screen import latencies, p95, processor
from studio_core.bench.terminal import Terminal
from studio_core.errors import Unavailable
from studio_core.logs import seeker
from studio_core.logs.needle import Want
from studio_core.logs.segment import SegmentWriter

LARGE, SEARCHED = 10 * 10**9, 10**9
FLOOD = 100 * 10**6
NEEDLE = "a needle in the haystack"
WORDS = ("INFO", "request", "token", "cache", "decode", "prefill", "scheduler", "worker", "engine", "model", "layer", "batch")
UP, DOWN_TO_END = "\x1b[A", "\x1b[F"


def measure() -> list[Row]:
    folder = Path(tempfile.mkdtemp(prefix="studio-bench-log-"))
    if shutil.disk_usage(folder).free < 2 * LARGE:
        shutil.rmtree(folder)
        raise Unavailable("too little room on the disk", f"{2 * LARGE} bytes are needed", "set TMPDIR to a larger disk")
    try:
        return [*_search(folder), *_app(folder)]
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
        for _ in range(ROUNDS + 1):
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
    subprocess.run(["grep", *flags, "--", want.text, str(path)], stdout=subprocess.DEVNULL, check=True)
    return time.monotonic() - began


def _ours(path: Path, want: Want) -> float:
    """From the start of the process until it has told the count of the whole."""
    first = {"paths": [str(path)], "wants": [want._asdict()], "level": 0}
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-S", "-s", "-E", seeker.__file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdin is not None and process.stdout is not None
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
            terminal.wait_for("live", 30)
            terminal.send("3")
            terminal.wait_for("following", 30)
            terminal.send("o")
            terminal.wait_for("open this file", 10)
            terminal.send(f"\x15{path}")
            time.sleep(1)
            (shown,) = latencies(terminal, [("\r", "the very end of ten gigabytes")], timeout=30)
            yield Row("logs: 10 GB shown from Enter on", shown, "ms", 150.0)
            yield _fluid(terminal)
            with _flood(log):
                yield from _follow(terminal)


def _fluid(terminal: Terminal) -> Row:
    """Keys while ten gigabytes are searched."""
    terminal.send("/")
    terminal.wait_for("find: a text", 10)
    terminal.send(f"{NEEDLE}\r")
    time.sleep(0.5)
    found = latencies(terminal, [(UP, "paused"), (DOWN_TO_END, "following")] * 20)
    terminal.send("\x1b")
    time.sleep(0.5)
    return Row("logs: key to frame while 10 GB are searched, p95", p95(found), "ms", 100.0)


def _follow(terminal: Terminal) -> Iterator[Row]:
    terminal.send("\x1b")
    time.sleep(1)
    start = terminal.received
    terminal.send("3g")
    terminal.wait_for("flood", 20, start)
    terminal.send("\r")
    time.sleep(3)
    used, began = processor(terminal.pid), time.monotonic()
    time.sleep(8)
    cpu = (processor(terminal.pid) - used) / (time.monotonic() - began) * 100
    yield Row("logs: processor while 100 MB/s are followed", cpu, "% of a core", 10.0)
    found = latencies(terminal, [(UP, "paused"), (DOWN_TO_END, "following")] * 30)
    yield Row("logs: key to frame in a flood of 100 MB/s, p95", p95(found), "ms", 100.0)


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
    """100 MB/s into a ring of segments, for ever."""
    writer, piece = SegmentWriter(Path(folder), 1 << 20, 8 << 20, 6), block(2_000)
    began = time.monotonic()
    while True:
        writer.write(piece)
        if (ahead := writer.offset / FLOOD - (time.monotonic() - began)) > 0:
            time.sleep(ahead)
