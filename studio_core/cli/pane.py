"""`studio pane`: the machine in a few rows. Drawn by the app's package, which nothing in core depends on."""

from __future__ import annotations

import argparse
from importlib import import_module
from importlib.util import find_spec

from studio_core.errors import Unavailable
from studio_core.settings import Settings


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--ascii", action="store_true", help="draw without box and braille signs")


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Until `q`. Raises Unavailable where the app is not installed."""
    if find_spec("studio_tui") is None:
        raise Unavailable("the terminal app is not part of this installation", "", "for a status bar: studio status --line")
    code: int = import_module("studio_tui.pane").run(settings, options.ascii)
    return code
