"""`studio check RECIPE`: what is wrong with a recipe, and the exact command that a launch would run."""

from __future__ import annotations

import argparse
import shlex

from studio_core import daemon, wire
from studio_core.cli.table import as_json
from studio_core.settings import Settings
from studio_core.text import clean


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="recipe")
    parser.add_argument("--quick", action="store_true", help="do not ask the installed engine for its flags")
    parser.add_argument("--json", action="store_true", help="as JSON")


def run(options: argparse.Namespace, settings: Settings) -> int:
    """The exit code is 1 when a launch would be refused."""
    found = daemon.ensure(settings).check(options.name, ask=not options.quick)
    print(as_json(found) if options.json else "\n".join(map(clean, lines(found))))
    return 1 if any(one.severe for one in found.problems) else 0


def lines(found: wire.Check) -> list[str]:
    """Problems, command, environment, files, and the lines of other machines."""
    told = [f"{'wrong' if one.severe else 'note '}  {one.field}: {one.text}" + (f" ({one.hint})" if one.hint else "")
             for one in found.problems]
    told += ["" if told else "nothing is wrong", shlex.join(found.argv)] if found.argv else []
    told += [f"program from {found.origin}"] if found.origin else []
    told += ["", *(f"{kind} parser {one.name or 'none'}: {one.reason}" for kind, one in found.parsers.items() if kind != "wants")
             ] if found.parsers else []
    own = [one for one in found.environment if one.origin != "inherited"]
    told += ["", *(f"{one.name}={one.value}   from {one.origin}" for one in own)] if own else []
    told += ["", f"files: {', '.join(found.files)}"] if found.files else []
    told += ["", *(f"request: {one}" for one in found.filters)] if found.filters else []
    return told + [f"on {one.host}: {one.line}" for one in found.nodes]
