"""`studio recipes`: list, show, add, edit, remove, export, import; YAML in and out."""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from studio_core import daemon
from studio_core.cli.table import as_json, table
from studio_core.client import Client
from studio_core.errors import BadInput
from studio_core.settings import Settings


def arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION")
    for name, what in (
        ("list", "all recipes"), ("show", "one as YAML"), ("add", "from a YAML file, or - for stdin"), ("edit", "in $EDITOR"),
        ("remove", "delete one"), ("export", "all or one as YAML"), ("import", "many from a YAML file"),
    ):
        action = actions.add_parser(name, help=what)
        if name not in ("list", "export"):
            action.add_argument("name", help="file" if name in ("add", "import") else "recipe")
        elif name == "export":
            action.add_argument("name", nargs="?", help="recipe")
        action.add_argument("--json", action="store_true", help="as JSON")


def run(options: argparse.Namespace, settings: Settings) -> int:
    client = daemon.ensure(settings, options.overrides)
    actions = {"show": _export, "export": _export, "add": _import, "import": _import, "edit": _edit, "remove": _remove}
    return actions.get(options.action, _list)(client, options)


def _list(client: Client, options: argparse.Namespace) -> int:
    found = client.recipes()
    if getattr(options, "json", False):
        print(as_json(found))
    elif found:
        rows = [[one.id, one.status, one.backend, one.model_path, "; ".join(one.problems)] for one in found]
        print(table(["RECIPE", "STATUS", "ENGINE", "MODEL", "PROBLEMS"], rows))
    else:
        print("no recipes yet; add one: studio recipes add FILE")
    return 0


def _export(client: Client, options: argparse.Namespace) -> int:
    found = [client.recipe(options.name)] if options.name else client.recipes()
    print(as_json([one.recipe for one in found]) if options.json else _yaml(*(one.recipe for one in found)), end="")
    return 0


def _import(client: Client, options: argparse.Namespace) -> int:
    for recipe in _read(options.name):
        stored = client.put_recipe(recipe)
        print(as_json(stored) if options.json else f"{stored.id} stored, version {stored.version}")
    return 0


def _edit(client: Client, options: argparse.Namespace) -> int:
    """The stored text in $EDITOR; what comes back is stored only on the version that was read."""
    found = client.recipe(options.name)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{found.id}.yaml"
        path.write_text(before := _yaml(found.recipe), encoding="utf-8")
        editor = shlex.split(os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi")
        if subprocess.run([*editor, str(path)], check=False).returncode:
            raise BadInput("the editor failed", " ".join(editor), "set EDITOR")
        if path.read_text(encoding="utf-8") == before:
            print("not changed")
            return 0
        recipes = _read(str(path))
    stored = client.put_recipe(recipes[0], found.version)
    print(f"{stored.id} stored, version {stored.version}")
    return 0


def _remove(client: Client, options: argparse.Namespace) -> int:
    client.delete_recipe(options.name)
    print(f"{options.name} removed")
    return 0


def _read(name: str) -> list[dict[str, object]]:
    from studio_core.recipes.text import from_yaml

    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"cannot read {name}", str(error), "give a YAML file, or - for stdin") from error
    return [recipe.stored() for recipe in from_yaml(text)]


def _yaml(*recipes: dict[str, object]) -> str:
    from studio_core.recipes.recipe import parse
    from studio_core.recipes.text import to_yaml

    return to_yaml(*(parse(recipe) for recipe in recipes))
