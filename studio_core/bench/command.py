"""What `studio status` takes, over an interpreter that does nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from studio_core.bench.figure import Row, interleaved
from studio_core.bench.premises import premises

ROUNDS = 15
AIM = 10.0


def measure() -> list[Row]:
    """The ratio of the wall times, Studio running."""
    script = shutil.which("studio", path=str(Path(sys.executable).parent))
    status = [script, "status"] if script else [sys.executable, "-m", "studio_core", "status"]
    with premises() as home:
        environment = {**os.environ, **home.names}
        nothing, said = interleaved(
            lambda: _wall([sys.executable, "-c", "pass"], environment), lambda: _wall(status, environment), rounds=ROUNDS
        )
    note = f"{said * 1000:.0f} ms over {nothing * 1000:.0f} ms, {'script' if script else 'module'}"
    return [Row("cli: status over nothing", said / nothing, "times", AIM, note)]


def _wall(argv: Sequence[str], environment: dict[str, str]) -> float:
    began = time.monotonic()
    subprocess.run(argv, env=environment, stdout=subprocess.DEVNULL, check=True)
    return time.monotonic() - began
