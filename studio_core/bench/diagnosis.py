"""How many provoked failures get the right cause and the right remedy: what engines printed, against rows written by hand.

`recorded` rows are outputs of real engines that were made to fail; the others are single lines from the engines'
sources, or known in general, as each row says.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from studio_core import wire
from studio_core.bench.figure import Row
from studio_core.engines.diagnosis import diagnose, stalled
from studio_core.engines.registry import find
from studio_core.recipes.recipe import parse

FOLDER = Path(__file__).parents[2] / "tests" / "engines" / "recorded"


def measure() -> list[Row]:
    """Failures without the right cause, evidence and remedy, in percent. Raises OSError outside a checkout."""
    rows = table()
    groups = {"recorded from real engines": [one for one in rows if "recording" in one],
              "lines from sources": [one for one in rows if "recording" not in one]}
    found = []
    for name, members in groups.items():
        wrong = [one for one in members if not right(one, answer(one))]
        missed = f"; wrong: {', '.join(one['title'] for one in wrong)}" if wrong else ""
        note = f"{len(members) - len(wrong)} of {len(members)} right{missed}"
        found.append(Row(f"diagnosis: {name}", 100 * len(wrong) / len(members), "% wrong", 0.0, note))
    return found


def table() -> list[dict[str, Any]]:
    """Engine, where the output is from, the output or its recording, the recipe, and what must be said of it."""
    rows: list[dict[str, Any]] = json.loads((FOLDER / "remedy.json").read_text(encoding="utf-8"))
    return rows


def answer(row: Mapping[str, Any]) -> wire.Failure:
    """What Studio says of a row's output."""
    recipe = parse({"id": "one", "backend": row["engine"], "model_path": "/model", **row["recipe"]}).stored()
    engine, lines = find(row["engine"]), output(row)
    if "stalled" in row:
        return stalled(engine, lines, row["stalled"], recipe)
    return diagnose(engine, lines, end(row), recipe)


def output(row: Mapping[str, Any]) -> list[str]:
    """The lines of a row; of a recording all but the first, which tells where it is from."""
    if "recording" not in row:
        return [str(line) for line in row["lines"]]
    return _recording(row).read_text(encoding="utf-8").splitlines()[1:]


def end(row: Mapping[str, Any]) -> wire.Exit:
    """How the engine ended."""
    if "recording" not in row:
        return wire.Exit(code=1)
    head = _recording(row).read_text(encoding="utf-8").splitlines()[0]
    return wire.Exit(**json.loads(head.removeprefix("# "))["exit"])


def _recording(row: Mapping[str, Any]) -> Path:
    return FOLDER / str(row["origin"]) / f"{row['recording']}.log"


def right(row: Mapping[str, Any], failure: wire.Failure) -> bool:
    """Cause, remedy and change as expected, and evidence that stands in the output."""
    printed = "\n".join(output(row))
    return (
        row["title"] in failure.title and row["hint"] in failure.hint and bool(failure.evidence)
        and all(line in printed for line in failure.evidence)
        and (failure.fix.change if failure.fix else None) == row["change"]
    )
