"""First paint: from exec in a real terminal to the first text of the app, over an app that is one label."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from studio_core.bench.figure import Row, interleaved
from studio_core.bench.premises import premises
from studio_core.bench.terminal import Terminal

AIM = 1.5
TITLE = "Dashboard"
LABEL = "a label"
# Runs in a process of its own: core does not import a terminal toolkit.
MINIMAL = f"""
from textual.app import App
from textual.widgets import Static
class Minimal(App):
    def compose(self):
        yield Static("{LABEL}")
Minimal().run()
"""


def measure() -> list[Row]:
    """The ratio of the medians, Studio running, terminals of 120 by 40 cells."""
    script = shutil.which("studio", path=str(Path(sys.executable).parent))
    studio = [script] if script else [sys.executable, "-m", "studio_core"]
    with premises() as home:
        environment = {**os.environ, **home.names}
        minimal, app = interleaved(
            partial(_painted, [sys.executable, "-c", MINIMAL], environment, LABEL), partial(_painted, studio, environment, TITLE)
        )
    note = f"{app * 1000:.0f} ms over {minimal * 1000:.0f} ms"
    return [Row("paint: app over a minimal Textual app", app / minimal, "times", AIM, note)]


def _painted(argv: Sequence[str], environment: dict[str, str], text: str) -> float:
    with Terminal(argv, environment) as terminal:
        return terminal.wait_for(text, 20.0)
