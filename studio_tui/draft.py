"""A recipe's text in a file, for an editor: written, read back, compared. For the threads of calls; raw, never shown as it is."""

from __future__ import annotations

import os
import shlex
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from studio_core.errors import BadInput, RecipeChanged, StudioError
from studio_core.recipes.patch import difference
from studio_core.text import line

if TYPE_CHECKING:
    from studio_core import wire
    from studio_core.client import Client


class Draft(Struct, frozen=True):
    """What was read, and the file in which it is changed."""

    recipe_id: str
    name: str
    version: int
    before: Mapping[str, Any]
    path: Path


class Edited(Struct, frozen=True):
    """What came back: all fields, the change in lines, and what a launch would stumble over."""

    draft: Draft
    data: Mapping[str, Any]
    lines: tuple[str, ...]
    problems: tuple[str, ...]


class Clash(Struct, frozen=True):
    """It was stored by somebody else meanwhile; `lines` are what storing ours would change of theirs."""

    version: int
    lines: tuple[str, ...]


def begin(client: Client, recipe_id: str) -> Draft:
    """Write the stored text into a file that only its owner reads."""
    from studio_core.recipes.recipe import parse
    from studio_core.recipes.text import to_yaml

    found = client.recipe(recipe_id)
    recipe = parse(found.recipe)
    path = Path(tempfile.mkdtemp(prefix="studio-")) / f"{recipe_id}.yaml"
    path.write_text(to_yaml(recipe), encoding="utf-8")
    return Draft(recipe_id, found.name, found.version, recipe.stored(), path)


def end(client: Client, draft: Draft) -> Edited | None:
    """What the file says now; None when nothing is another. The file stays until `forget`.

    Raises:
        StudioError: it is no recipe; says where the text is kept.
    """
    from studio_core.recipes.text import from_yaml

    try:
        found = from_yaml(draft.path.read_text(encoding="utf-8"))
        data = {**found[0].stored(), "id": draft.recipe_id}
        problems = client.check_fields(data).problems
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput("your text cannot be read", str(error), f"it lies in {draft.path}") from error
    except StudioError as error:
        raise kept(error, draft) from error
    lines = tuple(changes(draft.before, data))
    return Edited(draft, data, lines, tuple(map(remark, problems))) if lines else None


def kept(error: StudioError, draft: Draft) -> StudioError:
    """The error, and where the text is that a person wrote."""
    return type(error)(error.title, error.detail, f"{error.hint}; your text is kept in {draft.path}".removeprefix("; "))


def changes(before: Mapping[str, Any], data: Mapping[str, Any]) -> list[str]:
    """The lines of a diff between two recipes."""
    change = {name: data.get(name) for name in {**before, **data} if before.get(name) != data.get(name)}
    flat = {name: _whole(value, before.get(name)) for name, value in change.items()}
    return [line(each) for each in difference(before, flat)]


def _whole(value: Any, before: Any) -> Any:
    """Of a mapping also what is gone from it."""
    if isinstance(value, dict) and isinstance(before, dict):
        return {name: value.get(name) for name in {**before, **value}}
    return value


def remark(one: wire.Finding) -> str:
    return line(f"{one.field}: {one.text}" + (f" ({one.hint})" if one.hint else ""))


def store(client: Client, data: Mapping[str, Any], version: int | None) -> Clash | wire.Stored:
    """Store it on the version that was read; without one it has to be new.

    Raises:
        StudioError: it is not valid, or there is one of this id.
    """
    from studio_core.errors import Conflict, NotFound

    recipe_id = str(data.get("id") or "")
    if version is None:
        try:
            client.recipe(recipe_id or "-")
        except NotFound:
            return client.put_recipe(data)
        raise Conflict(f"there is a recipe {line(recipe_id)} already", "nothing was stored", "give it another id")
    try:
        return client.put_recipe(data, version)
    except RecipeChanged:
        theirs = client.recipe(recipe_id)
        return Clash(theirs.version, tuple(changes(theirs.recipe, data)))


def forget(draft: Draft) -> None:
    shutil.rmtree(draft.path.parent, ignore_errors=True)


def editor() -> list[str]:
    """The person's editor, as words. What no shell would read is taken as one."""
    said = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    try:
        return shlex.split(said) or ["vi"]
    except ValueError:
        return [said]
