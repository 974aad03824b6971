"""`studio recipes`: list, show, add, edit, fix, remove, export, import; YAML in and out."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from studio_core import daemon
from studio_core.cli import recipe_edit, recipe_import
from studio_core.cli.table import as_json, table
from studio_core.client import Client
from studio_core.errors import BadInput
from studio_core.settings import Settings
from studio_core.text import clean, line


def arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION")
    for name, what in (
        ("list", "all recipes"), ("show", "one as YAML"), ("add", "from a YAML file, or - for stdin"),
        ("edit", "in $EDITOR, with its check"),
        ("fix", "make the change that its failure calls for"), ("remove", "delete one"), ("export", "all or one as YAML"),
        ("import", "from a file of recipes, a command, a systemd unit, or another tool's files"),
    ):
        action = actions.add_parser(name, help=what)
        if name == "import":
            recipe_import.arguments(action)
        elif name not in ("list", "export"):
            action.add_argument("name", help="file" if name == "add" else "recipe")
        elif name == "export":
            action.add_argument("name", nargs="?", help="recipe")
        if name == "show":
            action.add_argument("--shell", action="store_true", help="as a line for a shell, without secrets")
        if name in ("add", "import"):
            action.add_argument("--replace", action="store_true", help="also what is stored under the same name")
        if name == "fix":
            action.add_argument("--dry-run", action="store_true", help="only show the change")
        action.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="as JSON")
    parser.add_argument("--json", action="store_true", help="as JSON")


def run(options: argparse.Namespace, settings: Settings) -> int:
    if options.action == "import":
        return recipe_import.run(options, settings)
    client = daemon.ensure(settings)
    actions = {"show": _show, "export": _export, "add": _add, "edit": recipe_edit.run, "fix": _fix, "remove": _remove}
    return actions.get(options.action, _list)(client, options)


def _list(client: Client, options: argparse.Namespace) -> int:
    found = client.recipes()
    if options.json:
        print(as_json(found))
    elif found:
        rows = [[one.id, one.status, one.backend, one.model_path, "; ".join(one.problems)] for one in found]
        print(table(["RECIPE", "STATUS", "ENGINE", "MODEL", "PROBLEMS"], rows))
    else:
        print("no recipes yet; add one: studio recipes add FILE")
    return 0


def _export(client: Client, options: argparse.Namespace) -> int:
    found = [client.recipe(options.name)] if options.name else client.recipes()
    text = as_json([one.recipe for one in found]) + "\n" if options.json else _yaml(*(one.recipe for one in found))
    # To a file it goes as it is, so that it comes back the same.
    print(clean(text) if sys.stdout.isatty() else text, end="")
    return 0


def _show(client: Client, options: argparse.Namespace) -> int:
    if not options.shell:
        return _export(client, options)
    found = client.shell_line(options.name)
    print(as_json(found) if options.json else clean(found.line) if sys.stdout.isatty() else found.line)
    for note in found.notes:
        print(f"note: {clean(note)}", file=sys.stderr)
    return 0


def _add(client: Client, options: argparse.Namespace) -> int:
    recipes = _read(options.name)
    recipe_import.refuse_taken(client, recipes, options.replace)
    stored = [client.put_recipe(recipe) for recipe in recipes]
    print(as_json(stored) if options.json else "\n".join(f"{one.id} stored, version {one.version}" for one in stored))
    _warn(client, *(one.id for one in stored))
    return 0


def _warn(client: Client, *names: str) -> None:
    """What a launch would stumble over, on standard error: the recipes are stored all the same."""
    for name in names:
        for one in client.check(name).problems:
            print(clean(f"{name}: {one.field}: {one.text}" + (f" ({one.hint})" if one.hint else "")), file=sys.stderr)


def _fix(client: Client, options: argparse.Namespace) -> int:
    from studio_core.recipes.patch import difference

    fix, found = client.remedy(options.name), client.recipe(options.name)
    changes = list(difference(found.recipe, fix.change))
    stored = None if options.dry_run or not changes else client.fix_recipe(found.id, fix.title)
    if options.json:
        version = stored.version if stored else found.version
        print(as_json({"title": fix.title, "change": fix.change, "stored": stored is not None, "version": version}))
        return 0
    print("\n".join([line(fix.title), *map(line, changes)]))
    done = f"{stored.id} stored, version {stored.version}; start it: studio launch {stored.id}" if stored else "not stored"
    print(line(done if changes else "the recipe is so already"))
    return 0


def _remove(client: Client, options: argparse.Namespace) -> int:
    client.delete_recipe(options.name)
    print(as_json({"removed": options.name}) if options.json else f"{line(options.name)} removed")
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
