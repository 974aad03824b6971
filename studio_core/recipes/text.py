"""Recipes as YAML, in and out.

Read more strictly than YAML 1.1 does: `on`, `12:30` and dates stay text (they are flag values), a key given twice is an
error. One document may be a recipe, a list of recipes, or a mapping with a list under `recipes`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import yaml

from studio_core.errors import BadInput, BadRecipe
from studio_core.recipes.recipe import Recipe, parse
from studio_core.text import yaml_problem

TEXT_LIMIT = 4 * 1024 * 1024
# Aliases let a few lines stand for billions of values.
NODE_LIMIT = 200_000
# Written although they have a default: the first lines of a recipe that a person reads.
ALWAYS = ("id", "model_path", "backend")
_ODD_BREAK = re.compile("[\x85\u2028\u2029\ufeff]")
_KEPT = {"tag:yaml.org,2002:null", "tag:yaml.org,2002:merge", "tag:yaml.org,2002:value"}


class _Loader(yaml.SafeLoader):
    """SafeLoader with YAML 1.2's idea of booleans and numbers, and no dates."""


class _Dumper(yaml.SafeDumper):
    """Quotes what either idea of YAML would not read as text."""


def _represent(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    """Line breaks that only Unicode knows are folded away in every style but the double-quoted one, which escapes."""
    style = '"' if _ODD_BREAK.search(text) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent)
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in pairs if tag in _KEPT]
    for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_FLOAT = re.compile(r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?\Z|[-+]?\.(?:inf|nan)\Z")
for _tag, _pattern, _first in (
    ("bool", re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z"), "tTfF"),
    ("int", re.compile(r"[-+]?(?:0|[1-9][0-9]*)\Z|0x[0-9a-fA-F]+\Z"), "-+0123456789"),
    ("float", _FLOAT, "-+0123456789."),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", _pattern, list(_first))
    _Dumper.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", _pattern, list(_first))


def to_yaml(*recipes: Recipe) -> str:
    """Recipes as YAML, one document each. What has its default value is left out."""
    return "---\n".join(
        yaml.dump(_shown(recipe), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120) for recipe in recipes
    )


def _shown(recipe: Recipe) -> dict[str, Any]:
    stored = recipe.stored()
    changed = recipe.model_dump(mode="json", exclude_defaults=True)
    return {name: value for name, value in stored.items() if name in ALWAYS or name in changed}


def from_yaml(text: str) -> list[Recipe]:
    """All recipes of a text.

    Raises:
        BadRecipe: not YAML, or a recipe in it is not valid, with the line.
    """
    if len(text) > TEXT_LIMIT:
        raise BadRecipe("the text is too long for recipes", f"{len(text)} characters", f"at most {TEXT_LIMIT}")
    try:
        found = [_recipe(line, data) for line, data in _entries(text)]
    except yaml.YAMLError as error:
        raise _broken(error) from error
    except RecursionError as error:
        raise BadRecipe("the YAML is nested too deeply", "", "write it flat") from error
    if not found:
        raise BadRecipe("there is no recipe in the text", "", "write lines like `id: my-model`")
    return found


def plain(text: str) -> Any:
    """The first document of somebody's YAML as plain data; None where there is none.

    Raises:
        BadInput: not YAML, or more than anybody writes, with the line.
    """
    try:
        with _opened(text[:TEXT_LIMIT]) as loader:
            document = loader.get_node() if loader.check_node() else None
            if document is None:
                return None
            _inspect(document, {})
            return loader.construct_document(document)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        said = yaml_problem(error) if isinstance(error, yaml.YAMLError) else "nested too deeply, or a value out of range"
        raise BadInput("the text is not valid YAML", said, "correct that line") from error


@contextmanager
def _opened(text: str) -> Iterator[_Loader]:
    """Raises YAMLError at once for characters that no YAML may have."""
    loader = _Loader(text)
    try:
        yield loader
    finally:
        loader.dispose()


def _entries(text: str) -> Iterator[tuple[int, Any]]:
    """(line, plain data) of each recipe."""
    with _opened(text) as loader:
        while loader.check_node():
            document = loader.get_node()
            if document is None:
                continue
            _inspect(document, {})
            for node in _recipe_nodes(document):
                yield node.start_mark.line + 1, loader.construct_document(node)


def _recipe_nodes(document: yaml.Node) -> list[yaml.Node]:
    if isinstance(document, yaml.MappingNode):
        listed = next((value for key, value in document.value if key.value == "recipes"), None)
        document = listed if isinstance(listed, yaml.SequenceNode) else document
    if isinstance(document, yaml.ScalarNode) and document.tag == "tag:yaml.org,2002:null":
        return []
    return list(document.value) if isinstance(document, yaml.SequenceNode) else [document]


def _inspect(node: yaml.Node, sizes: dict[int, int]) -> int:
    """The number of values that a node stands for, aliases written out. Refuses bombs, loops and double keys."""
    known = sizes.get(id(node))
    if known == 0:
        raise yaml.MarkedYAMLError(problem="an alias contains itself", problem_mark=node.start_mark)
    if known is not None:
        return known
    sizes[id(node)] = 0
    children = node.value if isinstance(node, yaml.CollectionNode) else []
    if isinstance(node, yaml.MappingNode):
        _refuse_double_keys(node)
        children = [child for pair in node.value for child in pair]
    size = 1 + sum(_inspect(child, sizes) for child in children)
    if size > NODE_LIMIT:
        raise yaml.MarkedYAMLError(problem="too many values", problem_mark=node.start_mark)
    sizes[id(node)] = size
    return size


def _refuse_double_keys(node: yaml.MappingNode) -> None:
    seen: set[tuple[str, str]] = set()
    for key, _ in node.value:
        if isinstance(key, yaml.ScalarNode):
            if (key.tag, key.value) in seen:
                raise yaml.MarkedYAMLError(problem=f"the key {key.value} is given twice", problem_mark=key.start_mark)
            seen.add((key.tag, key.value))


def _recipe(line: int, data: Any) -> Recipe:
    try:
        return parse(data)
    except BadRecipe as error:
        raise BadRecipe(f"the recipe at line {line} is not valid", error.detail or error.title, error.hint) from error


def _broken(error: yaml.YAMLError) -> BadRecipe:
    return BadRecipe("the text is not valid YAML", yaml_problem(error), "correct that line; nothing was changed")
