"""How long README's test line took, as `.ci/run` measured it: it cannot be run from within itself."""

from __future__ import annotations

import os

from studio_core.bench.figure import Row

VARIABLE = "STUDIO_SUITE_S"
AIM_S = 15 * 60.0


def measure() -> list[Row]:
    """Seconds of wall time from the variable; no row where nobody gave them."""
    told = os.environ.get(VARIABLE, "")
    note = f"its environment and installation too; told by {VARIABLE}"
    return [Row("suite: default test run", float(told), "s", AIM_S, note)] if told else []
