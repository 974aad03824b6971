"""Looking through logs: by place, over segments and gaps, while they grow; what is found is what a plain reading finds."""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from studio_core.logs import needle, seeker, sieve
from studio_core.logs.chain import STRIDE, Chain
from studio_core.logs.look import shown
from studio_core.logs.needle import Needle, Want, level_of
from studio_core.logs.segment import SegmentWriter
from studio_core.logs.sieve import Sieve
from studio_core.logs.spool import Spool
from tests.command import Command

WORDS = ("alpha", "beta", "ERROR gamma", "INFO delta", "x" * 300, "\u4e2d\u6587", "beta beta", "")


def text(seed: int, lines: int) -> list[bytes]:
    chance = random.Random(seed)
    return [" ".join(chance.choices(WORDS, k=chance.randint(0, 6))).encode() for _ in range(lines)]


def written(folder: Path, lines: list[bytes], end: bytes = b"\n") -> Path:
    """As a shim does it, in many small segments, none of them dropped."""
    writer = SegmentWriter(folder, 4096, 4096, 10_000)
    data = b"\n".join(lines) + end
    for at in range(0, len(data), 1000):
        writer.write(data[at:at + 1000])
    writer.close()
    return folder


def reference(lines: list[bytes]) -> list[tuple[int, bytes]]:
    found, place = [], 0
    for line in lines:
        found.append((place, line))
        place += len(line) + 1
    return found


@pytest.mark.parametrize("end", [b"\n", b""])
@pytest.mark.parametrize("seed", range(4))
def test_lines_by_place_in_both_directions(tmp_path: Path, seed: int, end: bytes) -> None:
    lines = [*text(seed, 700), b"last"]
    chain, whole = Chain([str(written(tmp_path / "log", lines, end))]), reference(lines)
    assert chain.lines_after(0, 10_000) == whole
    assert chain.lines_before(1 << 60, 10_000) == whole
    for at in random.Random(seed).sample(range(len(whole)), 60):
        assert chain.lines_after(whole[at][0], 7) == whole[at:at + 7]
        assert chain.lines_before(whole[at][0], 7) == whole[max(0, at - 7):at]


def test_a_gap_and_a_part_that_follows(tmp_path: Path) -> None:
    first = written(tmp_path / "one", text(1, 300))
    sorted(first.glob("*.log"))[1].unlink()
    second = tmp_path / "two.log"
    second.write_bytes(b"a\nb\n")
    found = Chain([str(first), str(second)]).lines_before(1 << 60, 10_000)
    assert found[-2:] == [(STRIDE, b"a"), (STRIDE + 2, b"b")]
    assert [place for place, _ in found] == sorted({place for place, _ in found})
    assert found == Chain([str(first), str(second)]).lines_after(0, 10_000)


def test_an_endless_line_is_told_in_pieces(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"x" * 1_000_000 + b"\nend\n")
    chain = Chain([str(tmp_path / "log")])
    assert b"".join(data for _, data in chain.lines_after(0, 99)) == b"x" * 1_000_000 + b"end"
    assert b"".join(data for _, data in chain.lines_before(1 << 60, 99)) == b"x" * 1_000_000 + b"end"


@pytest.fixture(params=["memmem", "bytes"])
def finder(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the C library's search and without."""
    if request.param == "bytes":
        monkeypatch.setattr("ctypes.CDLL", lambda _: object())


WANTS: dict[str, tuple[list[Want], Callable[[bytes], bool]]] = {
    "exact": ([Want("beta", exact=True)], lambda line: b"beta" in line),
    "any case": ([Want("error")], lambda line: b"error" in line.lower()),
    "both": ([Want("beta"), Want("alpha")], lambda line: b"beta" in line and b"alpha" in line),
    "pattern": ([Want(r"beta.*gamma$", True)], lambda line: re.search(rb"beta.*gamma$", line) is not None),
    "over a line's end": ([Want(r"gamma\s+beta", True)], lambda line: re.search(rb"gamma\s+beta", line) is not None),
    "all": ([], lambda line: True),
}


@pytest.mark.usefixtures("finder")
@pytest.mark.parametrize("name", WANTS)
def test_what_is_found_is_what_a_plain_reading_finds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(sieve, "BLOCK", 3000)
    wants, holds = WANTS[name]
    lines = text(7, 1500)
    path, whole = written(tmp_path / "log", lines), reference(lines)
    expected = [place for place, line in whole if holds(line)]
    found = Sieve(Chain([str(path)]), Needle(wants))
    middle = whole[700][0]
    for complete in (False, True):
        assert list(filter(lambda at: at is not None, found.back(1 << 60))) == expected[::-1]
        assert list(filter(lambda at: at is not None, found.forth(middle))) == [at for at in expected if at >= middle]
        while not complete and found.step():
            pass
    assert found.found == len(expected) and found.left == 0
    assert found.before(middle) == sum(at < middle for at in expected)


@pytest.mark.parametrize("end", [b"\n", b""])
def test_it_counts_what_is_written_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: bytes) -> None:
    monkeypatch.setattr(sieve, "BLOCK", 3000)
    path = tmp_path / "log"
    path.write_bytes(b"beta one\nbeta" + end)
    found = Sieve(Chain([str(path)]), Needle([Want("beta", exact=True)]))
    while found.step():
        pass
    assert found.found == 2
    for number in range(300):
        with path.open("ab") as out:
            out.write(b" more\nnothing here\nbeta %d" % number)
        while found.grow():
            pass
        assert found.found == 3 + number
    assert [at for at in found.forth(0) if at is not None] == [
        match.start() for match in re.finditer(rb"^beta", path.read_bytes(), re.MULTILINE)
    ]


def test_what_the_ring_drops_is_found_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sieve, "BLOCK", 3000)
    folder = written(tmp_path / "log", [b"beta"] * 4000)
    found = Sieve(Chain([str(folder)]), Needle([Want("beta")]))
    while found.step():
        pass
    assert found.found == 4000
    for file in sorted(folder.glob("*.log"))[:2]:
        file.unlink()
    found.grow()
    assert found.found < 4000


@pytest.mark.parametrize(("line", "level"), [
    ("INFO 11-28 03:54:49 [core.py:1] an error-prone path", "info"), ("(EngineCore pid=1) WARNING 11-28 x", "warning"),
    ("0.00.123.456 E srv  load: no", "error"), ("E1128 03:54:49.1 x", "error"), ("warn: no bos", "warning"),
    ("Traceback (most recent call last):", "error"), ("2026-11-28 03:54 DEBUG x", "debug"), ("I am a line", "info"),
    ("  File \"a.py\", line 3", None), ("errors=0", None), ("x" * 150 + " ERROR", None),
])
def test_the_level_of_a_line(line: str, level: str | None) -> None:
    found = level_of(line.encode())
    assert (needle.LEVELS[found] if found is not None else None) == level


def test_lines_without_a_level_belong_to_the_one_above(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"INFO a\nERROR b\n  at x\n  at y\nINFO c\nWARNING d\n")
    found = Sieve(Chain([str(path)]), Needle([], 3))
    places = [at for at in found.forth(0) if at is not None]
    assert [data for at in places for _, data in Chain([str(path)]).lines_after(at, 1)] == [b"ERROR b", b"  at x", b"  at y"]


@pytest.mark.parametrize(("line", "without"), [
    ("INFO 11-28 03:54:49 [core.py:1] x", "INFO [core.py:1] x"), ("2026-11-28T03:54:49.123Z x", "x"),
    ("[2026-11-28 03:54:49] x", "x"), ("0.00.123.456 I srv x", "I srv x"), ("03:54:49 x", "x"),
    ("version 1.2.3 x", "version 1.2.3 x"),
])
def test_the_time_of_a_line_can_be_left_out(line: str, without: str) -> None:
    assert shown(line.encode(), times=False) == without
    assert shown(line.encode()) == line


def test_a_line_is_cut_before_anybody_looks_into_it() -> None:
    assert len(shown(b"y" * 5_000_000)) == 2000
    assert shown(b"1 %\r2 %\r" + b"z" * 100_000 + b"\r100 %\r") == "100 %"


class Talk:
    """A seeker and what it says."""

    def __init__(self, **first: Any) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-S", "-s", "-E", str(Path(needle.__file__).with_name("seeker.py"))],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        self.say(**{"wants": [], **first})

    def say(self, **asked: Any) -> None:
        assert self.process.stdin
        print(json.dumps(asked), file=self.process.stdin, flush=True)

    def until(self, name: str, *values: Any) -> dict[str, Any]:
        assert self.process.stdout
        watchdog = threading.Timer(20, self.process.kill)
        watchdog.start()
        try:
            for line in self.process.stdout:
                told: dict[str, Any] = json.loads(line)
                if name in told and (not values or told[name] in values):
                    return told
        finally:
            watchdog.cancel()
        raise AssertionError(f"it never told of {name}")

    def end(self) -> None:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.close()
        assert self.process.wait(60) == 0
        self.process.stdout.close()


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "log"
    path.write_bytes(b"".join(b"line %d\n" % at for at in range(5000)))
    yield path


def test_the_process_counts_finds_saves_and_ends(tmp_path: Path, log: Path) -> None:
    talk = Talk(paths=[str(log)], wants=[{"text": "line 49", "exact": True}])
    talk.say(near=1, place=1 << 60, back=2, forth=2)
    near = talk.until("near", 1)
    assert [data for at in near["back"] for _, data in Chain([str(log)]).lines_after(at, 1)] == [b"line 4998", b"line 4999"]
    assert near["ends"] == [False, True]
    assert talk.until("found", 111)["left"] == 0
    talk.say(rest=True)
    with log.open("ab") as out:
        out.write(b"line 49 again\n")
    talk.say(rest=False)
    assert talk.until("found", 112)
    talk.say(spans=3, texts=["a line 49 b", "none"])
    assert talk.until("spans", 3)["found"] == [[[2, 9]], []]
    talk.say(save=str(tmp_path / "saved"))
    assert talk.until("saved")["lines"] == 112
    assert (tmp_path / "saved").read_bytes().count(b"line 49") == 112
    talk.say(save=str(tmp_path / "saved"))
    assert talk.until("saved")["problem"] == "File exists"
    talk.end()


def test_a_pattern_that_takes_for_ever_is_ended_with_its_process(log: Path) -> None:
    log.write_bytes(b"a" * 60 + b"!\n")
    talk = Talk(paths=[str(log)], wants=[{"text": "(a+)+$", "regex": True}])
    talk.process.kill()
    assert talk.process.wait(60) == -9
    assert talk.process.stdin and talk.process.stdout
    talk.process.stdin.close()
    talk.process.stdout.close()


def test_nothing_is_left_only_when_places_have_numbers(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[dict[str, Any]] = []
    monkeypatch.setattr(seeker, "_say", lambda **news: told.append(news))
    log.write_bytes(b"one wanted\ntwo\n")
    one = seeker.Seeker({"paths": [str(log)], "wants": [{"text": "wanted"}]})
    while not told or told[-1]["left"]:
        one._turn()
        one._told_at = 0.0
        one._tell()
        one.take(b'{"near": 1, "place": 11, "back": 1, "forth": 0}\n')
        one._turn()
        answer = told.pop()
        assert (answer["before"] is None) == (told[-1]["left"] > 0)
    assert told[-1] == {"found": 1, "left": 0.0} and len(told) > 1


def test_a_spool_has_the_logs_own_offsets_and_leaves_nothing(tmp_path: Path) -> None:
    spool = Spool()
    spool.append(1010, b"nine bye\n\n")
    spool.append(1015, b"more\n")
    spool.append(1015, b"more\n")
    spool.append(2005, b"late\n")
    spool.prepend(990, 1000, b"before it\n")
    chain = Chain([str(spool.path)])
    assert list(islice(chain.lines_after(0, 99), 9)) == [
        (990, b"before it"), (1000, b"nine bye"), (1009, b""), (1010, b"more"), (2000, b"late"),
    ]
    assert [(run.begin, run.end) for run in chain.runs()] == [(990, 1015), (2000, 2005)]
    spool.close()
    spool.append(2015, b"too late\n\n")  # Whoever fetches is a thread of its own, and may be on its way.
    spool.prepend(980, 990, b"too early\n")
    assert not spool.path.exists()


def test_the_command_line_shows_the_end_of_any_file(tmp_path: Path) -> None:
    path = tmp_path / "other.log"
    path.write_bytes(b"one\ntwo wanted\n\x1b]0;title\x07three\nfour wanted")
    studio = Command(tmp_path)
    assert studio.good("logs", "--file", str(path), "-n", "2") == "three\nfour wanted\n"
    assert studio.good("logs", "--file", str(path), "--grep", "wanted") == "two wanted\nfour wanted\n"
    assert "no file" in studio("logs", "--file", str(tmp_path / "none")).stderr
