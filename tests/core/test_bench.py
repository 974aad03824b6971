"""The entry that prints figures: its table, its verdict, and two figures measured for real."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import cache_from_source
from pathlib import Path
from types import SimpleNamespace

import pytest

from studio_core.bench import cost, figure, self
from studio_core.bench.figure import Row, interleaved
from studio_core.errors import StudioError


def test_measures_take_turns_and_the_first_round_is_thrown_away() -> None:
    order: list[str] = []

    def measure(name: str, values: list[float]) -> float:
        order.append(name)
        return values.pop(0)

    slow, fast = [99.0, 5.0, 4.0, 9.0], [99.0, 1.0, 3.0, 2.0]
    assert interleaved(lambda: measure("s", slow), lambda: measure("f", fast), rounds=3) == [5.0, 2.0]
    assert order == ["s", "f"] * 4


@pytest.mark.parametrize(("value", "met"), [(10.0, True), (11.0, True), (11.1, False)])
def test_a_figure_is_met_within_ten_percent(value: float, met: bool) -> None:
    assert Row("x", value, "ms", 10.0).met is met
    assert figure.TOLERANCE == 1.1


def report(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *rows: Row) -> tuple[int, str]:
    from studio_core.bench import suite

    monkeypatch.setattr(suite, "measure", lambda: list(rows))
    return self.main(["suite"]), capsys.readouterr().out


def test_a_miss_is_said_in_the_table_and_by_the_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out = report(monkeypatch, capsys, Row("a: b", 3.0, "times", 2.0, "how"), Row("c", 1.0, "ms", 2.0), Row("d", 7.0, "MB"))
    assert code == self.MISSED
    assert "Python " in out and "cores" in out
    lines = [line.split() for line in out.splitlines()]
    assert ["a:", "b", "3.00", "times", "at", "most", "2", "MISSED", "how"] in lines
    assert ["c", "1.00", "ms", "at", "most", "2", "met"] in lines
    assert ["d", "7.00", "MB"] in lines


def test_what_cannot_be_measured_is_said_and_the_rest_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from studio_core.bench import suite

    def fail() -> list[Row]:
        raise StudioError("no network", "nothing to fetch")

    monkeypatch.setattr(suite, "measure", fail)
    assert self.main(["suite"]) == self.UNMEASURED
    assert "not measured" in (out := capsys.readouterr().out) and "no network: nothing to fetch" in out


def test_an_unknown_name_is_an_error_that_lists_the_known(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        self.main(["speed"])
    assert "launch" in capsys.readouterr().err


@pytest.mark.timeout(600)
def test_the_command_of_the_readme_measures_the_command_line() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "studio_core.bench.self", "cli"], capture_output=True, text=True, timeout=500
    )
    assert done.returncode in (0, self.MISSED), done.stderr
    assert Path(cache_from_source(self.__file__)).exists(), "what is measured has no bytecode"
    assert "cli: status over nothing" in done.stdout


def test_a_process_costs_what_it_uses() -> None:
    before = cost.cost(os.getpid())
    ballast = bytearray(os.urandom(1024) * 32 * 1024)
    while (after := cost.cost(os.getpid())).cpu_s - before.cpu_s < 0.05:
        sum(range(10_000))
    assert after.rss - before.rss > len(ballast) // 2
    assert after.pss <= after.rss
    with pytest.raises(ProcessLookupError):
        cost.cost(2**22 + 1)


def test_what_was_measured_before_a_failure_stands_in_the_table(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def measure() -> Iterator[Row]:
        yield Row("first", 1.0, "s", 2.0)
        raise StudioError("no room on the disk")

    monkeypatch.setitem(sys.modules, "half", SimpleNamespace(measure=measure))
    monkeypatch.setitem(self.FIGURES, "half", ("half", "half of it"))
    assert self.report(["half"]) == self.UNMEASURED
    told = capsys.readouterr().out
    assert "first" in told and "met" in told and "not measured" in told and "no room on the disk" in told
