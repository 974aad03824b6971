"""The parsers that an installed engine has, read from its own registries' source: milliseconds, and nothing is imported.

vLLM: the dictionaries `_TOOL_PARSERS_TO_REGISTER` and `_REASONING_PARSERS_TO_REGISTER` (0.11.1 and later), before that
the decorators `register_module`. SGLang: `ToolCallParserEnum` and `DetectorMap`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path

from studio_core.engines.catalog import Catalog
from studio_core.engines.parser import REASONING, TOOL, Known

SOURCE_LIMIT = 2 * 1024 * 1024
FILE_LIMIT = 200
# Engine → kind → where its registry has been, newest first: a folder of modules, or one file.
PLACES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "vllm": {TOOL: ("vllm/tool_parsers", "vllm/entrypoints/openai/tool_parsers"), REASONING: ("vllm/reasoning",)},
    "sglang": {
        TOOL: ("sglang/srt/function_call/function_call_parser.py", "sglang/srt/function_call_parser.py"),
        REASONING: ("sglang/srt/parser/reasoning_parser.py", "sglang/srt/reasoning_parser.py"),
    },
}
TABLES = frozenset({"_TOOL_PARSERS_TO_REGISTER", "_REASONING_PARSERS_TO_REGISTER", "ToolCallParserEnum", "DetectorMap"})
FLAGS = {TOOL: "--tool-call-parser", REASONING: "--reasoning-parser"}


def known(engine: str, python: Path | None, catalog: Catalog | None = None) -> Known | None:
    """The names by kind; None where the engine cannot be looked into (a container, or nothing installed).

    What the engine itself answered (`catalog`) counts before what its source says.
    """
    found: dict[str, frozenset[str]] = {}
    for kind, place in PLACES.get(engine, {}).items():
        names = _told(catalog, kind) or (_installed(python, place) if python is not None else frozenset())
        if names:
            found[kind] = names
    return found or None


def _told(catalog: Catalog | None, kind: str) -> frozenset[str]:
    if catalog is None or not catalog.asked:
        return frozenset()
    flag = catalog.find(FLAGS[kind])
    listed = catalog.parsers.get(f"{kind}_parsers") or (flag.choices or flag.known if flag is not None else ())
    return frozenset(str(name) for name in listed)


def _installed(python: Path, places: tuple[str, ...]) -> frozenset[str]:
    try:
        sites = sorted(python.parent.parent.glob("lib*/python3*/site-packages"))
        found = next((path for site in sites for place in places if (path := site / place).exists()), None)
        return _names(str(found), _stamp(found)) if found is not None else frozenset()
    except OSError:
        return frozenset()


def _stamp(path: Path) -> tuple[int, ...]:
    """What changes when the registry does: a file within a folder may be written anew in place."""
    inner = path / "__init__.py"
    infos = [one.stat() for one in (path, inner) if one.exists()]
    return tuple(number for info in infos for number in (info.st_mtime_ns, info.st_size))


@lru_cache(maxsize=64)
def _names(place: str, stamp: tuple[int, ...]) -> frozenset[str]:
    """The registry's names: of a folder its `__init__.py`, else all of its modules."""
    path = Path(place)
    if path.is_file():
        return frozenset(_read(path))
    return frozenset(_read(path / "__init__.py")) or frozenset(
        name for one in sorted(path.glob("*.py"))[:FILE_LIMIT] for name in _read(one))


def _read(path: Path) -> Iterator[str]:
    try:
        if path.stat().st_size > SOURCE_LIMIT:
            return
        tree = ast.parse(path.read_bytes())
    except (OSError, ValueError, SyntaxError, RecursionError, MemoryError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign | ast.AnnAssign):
            yield from _table(node)
        elif isinstance(node, ast.Call):
            yield from _registered(node)


def _table(node: ast.Assign | ast.AnnAssign) -> Iterator[str]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    if isinstance(node.value, ast.Dict) and any(isinstance(one, ast.Name) and one.id in TABLES for one in targets):
        yield from _texts(node.value.keys)


def _registered(node: ast.Call) -> Iterator[str]:
    """`@ToolParserManager.register_module("hermes")`, or a list of names."""
    if isinstance(node.func, ast.Attribute) and node.func.attr == "register_module":
        given = [*node.args[:1], *(word.value for word in node.keywords if word.arg == "name")]
        for one in given:
            yield from _texts(one.elts if isinstance(one, ast.List | ast.Tuple) else [one])


def _texts(nodes: list[ast.expr | None] | list[ast.expr]) -> Iterator[str]:
    yield from (node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str))
