"""Small files, small functions, names that say what a module is."""

from __future__ import annotations

import ast

from tests.guards import source

FILE_LINES, FUNCTION_LINES = 400, 60
EMPTY_WORDS = ("util", "helper", "manager", "misc", "common")
CODE = source.python("studio_core", "studio_tui", "tests")


def test_there_is_something_to_guard() -> None:
    assert len(CODE) > 100


def test_no_file_is_too_long() -> None:
    long = {source.name(path): count for path in CODE if (count := len(path.read_bytes().splitlines())) > FILE_LINES}
    assert long == {}


def test_no_function_is_too_long() -> None:
    long = {
        f"{source.name(path)}:{node.lineno} {node.name}": size
        for path in CODE
        for node in ast.walk(source.tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (size := (node.end_lineno or node.lineno) - node.lineno + 1) > FUNCTION_LINES
    }
    assert long == {}


def test_no_module_is_named_after_nothing() -> None:
    parts = {source.name(path): path.relative_to(source.ROOT).with_suffix("").parts for path in CODE}
    assert [path for path, names in parts.items() if any(word in name for name in names for word in EMPTY_WORDS)] == []
