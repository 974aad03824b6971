"""`python -m studio_core.bench.self [NAME...]`: every figure of the project, measured here and now, as one table.

The exit code is 1 when a figure misses its aim by more than 10 %, 2 when one could not be measured.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version

from studio_core import __version__
from studio_core.bench import bytecode
from studio_core.bench.figure import Row
from studio_core.cli.table import table
from studio_core.errors import StudioError

# Name → module with `measure() -> Iterable[Row]`, and what it measures.
FIGURES = {
    "launch": ("studio_core.bench.launch", "time that Studio adds to an engine's own start"),
    "idle": ("studio_core.bench.idle", "processor and memory while nothing happens"),
    "survival": ("studio_core.bench.survival", "how soon all is whole after a daemon was killed"),
    "cli": ("studio_core.bench.command", "studio status over an interpreter that does nothing"),
    "paint": ("studio_core.bench.paint", "first paint of the app over a minimal Textual app"),
    "log": ("studio_core.bench.log", "a large log opened, a flood followed, a gigabyte searched"),
    "chat": ("studio_core.bench.chat", "an answer at 50 tokens/s, and ten thousand messages"),
    "dashboard": ("studio_core.bench.dashboard", "the dashboard beside nvitop, htop and a minimal Textual app"),
    "recipes": ("studio_core.bench.recipes", "two thousand recipes: key to frame"),
    "proxy": ("studio_core.bench.proxy", "the gateway beside nginx: requests, chunks, streams, memory"),
    "flags": ("studio_core.bench.flags", "flags that a recipe expresses, checks and gives back, per engine"),
    "diagnosis": ("studio_core.bench.diagnosis", "provoked failures with the right cause and remedy"),
    "parsers": ("studio_core.bench.parsers", "agreement of the families table with vLLM's own recipes"),
    "eta": ("studio_core.bench.eta", "expected length of a start, learned from earlier ones, of the real one"),
    "suite": ("studio_core.bench.suite", "duration of the default test run, as its runner tells it"),
}
PACKAGES = ("textual", "msgspec", "httptools", "uvicorn", "starlette", "pydantic", "xllamacpp", "psutil", "nvidia-ml-py")
# Which peers `proxy` installs (`bench/peer.py`).
PEERS = "STUDIO_BENCH_PEERS"
HEAD = ["FIGURE", "VALUE", "UNIT", "AIM", "", "HOW"]
MISSED, UNMEASURED = 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m studio_core.bench.self", description="Measure Studio's own figures.")
    parser.add_argument("name", nargs="*", help=f"of: {', '.join(FIGURES)}; all without a name")
    parser.add_argument("--list", action="store_true", help="what there is to measure")
    parser.add_argument("--peers", metavar="NAMES", help="install and measure these beside the gateway: vllm-router, ..., or all")
    options = parser.parse_args(arguments)
    if options.peers:
        os.environ[PEERS] = options.peers
    if unknown := set(options.name) - set(FIGURES):
        parser.error(f"no figure named {', '.join(sorted(unknown))}; there are {', '.join(FIGURES)}")
    if options.list:
        print(table(["NAME", "MEASURES"], [[name, what] for name, (_, what) in FIGURES.items()]))
        return 0
    return report(options.name or list(FIGURES))


def report(names: Sequence[str]) -> int:
    """Measure these and print the table, each row as soon as it is known to standard error.

    What was measured before something failed stands in the table, with a row that says what failed.
    """
    code, rows = 0, []
    for name in names:
        print(f"measuring {name} ...", file=sys.stderr)
        try:
            measure: Callable[[], Iterable[Row]] = import_module(FIGURES[name][0]).measure
            for row in measure():
                rows.append(_cells(row))
                print("  ".join(rows[-1]), file=sys.stderr)
                code = code or (0 if row.met else MISSED)
        except (StudioError, TimeoutError, OSError) as error:
            rows.append([name, "not measured", "", "", "", str(error)])
            code = UNMEASURED
    print("\n".join((*_machine(), "", table(HEAD, rows))))
    return code


def _cells(row: Row) -> list[str]:
    aim = "" if row.aim is None else f"at {'least' if row.least else 'most'} {row.aim:g}"
    return [row.name, f"{row.value:.2f}", row.unit, aim, "" if row.aim is None else "met" if row.met else "MISSED", row.note]


def _machine() -> Iterator[str]:
    """When and where: figures of another machine are other figures."""
    yield f"Studio {__version__}, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, Python {platform.python_version()}, {platform.platform()}"
    yield f"{os.cpu_count()} cores, load {', '.join(f'{load:.1f}' for load in os.getloadavg())}"
    yield ", ".join(f"{name} {found}" for name in PACKAGES if (found := _version(name)))


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


if __name__ == "__main__":
    bytecode.ready()
    sys.exit(main())
