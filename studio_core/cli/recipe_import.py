"""`studio recipes import`: recipes out of a file, a pasted command, or what other tools keep."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from studio_core import daemon, wire
from studio_core.cli.table import as_json
from studio_core.client import Client
from studio_core.errors import BadInput, Conflict
from studio_core.settings import Settings
from studio_core.text import clean, line


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", nargs="*", metavar="[KIND] PATH",
                        help="a file or folder, or - for stdin; before it what it is: recipe, command, systemd, llama-swap, "
                             "litellm, ollama, lmstudio; else that is seen in it")
    parser.add_argument("--command", metavar="LINE", help="a command that starts an engine, or - for stdin")
    parser.add_argument("--dry-run", action="store_true", help="show the recipes, store nothing")
    parser.add_argument("--skip", action="store_true", help="leave out what is stored under the same name already")


def run(options: argparse.Namespace, settings: Settings) -> int:
    found = _found(options)
    recipes = [one.recipe for one in found.recipes]
    if options.dry_run:
        text = "---\n".join(one.text for one in found.recipes)
        print(as_json(found) if options.json else clean(text) if sys.stdout.isatty() else text, end="")
    else:
        client = daemon.ensure(settings)
        if options.skip:
            taken = {one.id for one in client.recipes()}
            recipes = [recipe for recipe in recipes if recipe["id"] not in taken]
        refuse_taken(client, recipes, options.replace)
        stored = [client.put_recipe(recipe) for recipe in recipes]
        print(as_json(stored) if options.json else "\n".join(f"{one.id} stored, version {one.version}" for one in stored))
    # Beside the result, so that a file of recipes stays one.
    print("".join(f"{clean(note)}\n" for note in _notes(found)), end="", file=sys.stderr)
    return 0


def _found(options: argparse.Namespace) -> wire.Import:
    """What is to be imported, read on this machine: its files are here."""
    from studio_core.importing.answer import answer
    from studio_core.importing.found import local
    from studio_core.importing.kind import KINDS, read_path, read_text, usual

    if options.command is not None and not options.what:
        return answer(*read_text(_stdin() if options.command == "-" else options.command, "command", local))
    kind, path = _named(options.what, KINDS)
    if options.command is not None or not (kind or path):
        raise BadInput("what is to be imported?", "", "studio recipes import FILE, or --command LINE")
    if path == "-":
        return answer(*read_text(_stdin(), kind, local))
    return answer(*read_path(Path(path) if path else usual(kind), kind, local))


def _named(words: Sequence[str], kinds: Sequence[str]) -> tuple[str, str]:
    """(kind, path) of what was given; a file that is called like a kind needs a folder before it."""
    first, *rest = words or [""]
    if first in kinds and len(rest) < 2:
        return first, rest[0] if rest else ""
    if rest:
        raise BadInput(f"{line(first)[:40]!r} is no kind", "", f"choose one of: {', '.join(kinds)}")
    return "", first


def _stdin() -> str:
    try:
        return sys.stdin.read()
    except UnicodeDecodeError as error:
        raise BadInput("cannot read the standard input", str(error), "give text in UTF-8") from error


def _notes(found: wire.Import) -> list[str]:
    named = len(found.recipes) > 1
    notes = [f"{one.recipe['id']}: {note}" if named else note for one in found.recipes for note in one.notes]
    return [f"note: {note}" for note in (*notes, *found.notes)]


def refuse_taken(client: Client, recipes: Sequence[Mapping[str, Any]], replace: bool) -> None:
    """Raises Conflict where a stored recipe would be lost, or two new ones have one name."""
    names = [str(recipe["id"]) for recipe in recipes]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise Conflict(f"{', '.join(twice)} stands in it twice", "nothing was stored", "give each its own id")
    taken = sorted({one.id for one in client.recipes()} & set(names))
    if taken and not replace:
        raise Conflict(f"there is {', '.join(taken)} already", "nothing was stored",
                       "--replace, or change the stored one: studio recipes edit NAME")
