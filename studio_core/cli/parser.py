"""The words of the command line that come before a verb's own."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import NoReturn

from studio_core import __version__
from studio_core.text import clean


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, like every error here."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"error: {clean(message)} (see: {self.prog} --help)\n")


def top(verbs: Mapping[str, tuple[str, str]]) -> Parser:
    """Options of every verb, the verb, and the rest, which is for the verb. `verbs`: name to (module, what it does)."""
    told = "\n".join(f"  {name:<9} {what}" for name, (_, what) in verbs.items())
    found = Parser(
        prog="studio", description="Models of a GPU machine: launch, switch, watch, chat, serve.",
        epilog=f"verbs (each with --help):\n{told}", formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    found.add_argument("--version", action="version", version=f"studio {__version__}")
    found.add_argument("--state", metavar="DIR", help="state directory")
    found.add_argument("--url", help="address of a remote Studio, or the name of a server of studio.yaml")
    found.add_argument("--read-only", action="store_true", help="only look: whatever changes something is refused")
    found.add_argument("--port", help="port of the gateway")
    found.add_argument("verb", nargs="?", metavar="VERB", help="one of these; without one the app opens")
    found.add_argument("rest", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    return found
