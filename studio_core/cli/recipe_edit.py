"""`studio recipes edit`: a stored recipe in the person's editor, checked as `studio check` does before it is stored."""

from __future__ import annotations

import argparse
import contextlib
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from studio_core import wire
from studio_core.cli import check
from studio_core.client import Client
from studio_core.errors import BadInput, RecipeChanged, StudioError
from studio_core.text import clean

EDIT, STORE, QUIT = "edit", "store", "quit"
# What a person answers, by its first letter; Enter alone goes back.
_ANSWERS = {"": EDIT, "e": EDIT, "y": EDIT, "s": STORE, "q": QUIT, "n": QUIT}


def run(client: Client, options: argparse.Namespace) -> int:
    """What comes back is stored only on the version that was read. Whatever is not stored is kept in a file.

    At a terminal, whoever wrote what a launch would refuse may go back; elsewhere it is stored, as the editor left it.
    """
    from studio_core.recipes.recipe import parse
    from studio_core.recipes.text import to_yaml

    found = client.recipe(options.name)
    before = to_yaml(parse(found.recipe))
    handle, name = tempfile.mkstemp(prefix=f"{found.id}-", suffix=".yaml")
    path = Path(name)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(before)
    with _keeping(path):
        fields = _edited(client, path, before, found.id)
        stored = client.put_recipe(fields, found.version) if fields is not None else None
    path.unlink()
    print(f"{stored.id} stored, version {stored.version}" if stored else "not changed")
    return 0


@contextlib.contextmanager
def _keeping(path: Path) -> Iterator[None]:
    """Whatever goes wrong, the person is told where the text is."""
    try:
        yield
    except BaseException as error:
        print(f"your text is kept in {path}", file=sys.stderr)
        if isinstance(error, OSError):
            raise BadInput("the editor could not be used", str(error), "set EDITOR") from error
        if isinstance(error, RecipeChanged):
            # Its detail is the whole stored text, which one reads better in a terminal.
            raise RecipeChanged(error.title, "", f"compare with it: studio recipes show {path.name.rpartition('-')[0]}") from error
        raise


def _edited(client: Client, path: Path, before: str, recipe_id: str) -> Mapping[str, object] | None:
    """The fields to store; None when nothing was changed. Raises StudioError for a text that is no recipe, BadInput on quitting."""
    while True:
        _open(path)
        if path.read_text(encoding="utf-8") == before:
            return None
        try:
            fields = {**_read(path), "id": recipe_id}
            found = client.check_fields(fields, ask=True)
        except StudioError as error:
            if not sys.stdin.isatty():
                raise
            print(clean(error.line()), file=sys.stderr)
            found, fields = None, {}
        if found is not None:
            print("\n".join(map(clean, check.lines(found))))
        wanted = STORE if found is not None and not _is_refused(found) else _ask(found is not None)
        if wanted == STORE:
            return fields
        if wanted == QUIT:
            raise BadInput("not stored", "", f"go on with it: studio recipes add {path} --replace")


def _is_refused(found: wire.Check) -> bool:
    return any(one.severe for one in found.problems)


def _ask(storable: bool) -> str:
    """What to do with a text that no launch would take. A script is not asked."""
    if not sys.stdin.isatty():
        return STORE
    offered = "back to the editor, [s]tore it all the same, or [q]uit? " if storable else "back to the editor, or [q]uit? "
    while True:
        try:
            answer = _ANSWERS.get(input(f"[e] {offered}").strip().lower()[:1])
        except EOFError:
            return QUIT
        if answer is not None and (storable or answer != STORE):
            return answer


def _open(path: Path) -> None:
    editor = shlex.split(os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi")
    if subprocess.run([*editor, str(path)], check=False).returncode:
        raise BadInput("the editor failed", " ".join(editor), "set EDITOR")


def _read(path: Path) -> dict[str, object]:
    from studio_core.recipes.text import from_yaml

    try:
        recipes = from_yaml(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise BadInput("the text is not UTF-8", str(error), "save it as UTF-8") from error
    if len(recipes) != 1:
        raise BadInput(f"the text has {len(recipes)} recipes", "one was opened", "add the others: studio recipes add FILE")
    return recipes[0].stored()
