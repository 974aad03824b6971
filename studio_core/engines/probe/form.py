"""An engine's argparse options as rows of JSON, and how a probe answers. Standard library of Python 3.10 or later.

A FLAG: flag, aliases, negation (of a switch that has one), type (bool, int, float, str, choice, json, list), item_type and
list_style (of a list: comma, repeat; else words), choices (nothing else is taken), known_values (more are taken), nargs,
nullable, human_readable (1k, 2M), dotted_keys (--flag.key value), value_optional, positional, deprecated, replacement,
default, group, help (its first sentence). Keys that do not apply are absent. A type is told by what the option's converter
takes: that is less likely to change with a version than an engine's own tables.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import enum
import importlib
import json
import os
import re
import sys
from collections.abc import Callable, Iterable
from typing import Any

BROKEN = (ImportError, AttributeError)
OLD = re.compile(r"(?i)\b(?:is|has been|are) deprecated\b|^\W*deprecated|[\[(]deprecated")
JSON_OBJECT = '{"a": 1}'


def answer(argv: list[str], asked: Callable[[], dict[str, Any]], *mine: str) -> None:
    """Print what `asked` returns. Engines print what they log on stdout: the answer keeps that for itself.

    `argv` is what the engine shall think it was started with; the folders `mine` are not searched for its modules.
    """
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    sys.path[:] = [path for path in sys.path if os.path.abspath(path or ".") not in mine]
    sys.argv[:] = argv
    with out:
        json.dump(asked(), out)


def first(ways: Iterable[tuple[str, str]]) -> Any:
    """The first of these attributes, each of a module, that this version has, else None."""
    for module, name in ways:
        with contextlib.suppress(*BROKEN):
            return getattr(importlib.import_module(module), name)
    return None


def rows(whole: Any) -> list[dict[str, Any]]:
    """Every option of a parser."""
    return [row for group, action, old in actions(whole) if (row := described(group, action, old))]


def actions(whole: Any) -> Iterable[tuple[str, argparse.Action, bool]]:
    """Each option with the title of its group, and whether it is marked as deprecated."""
    marked = getattr(whole, "_deprecated", ())
    for group in whole._action_groups:
        for action in group._group_actions:
            if action.dest != "help":
                yield group.title or "", action, bool(action in marked or getattr(action, "deprecated", False))


def described(group: str, action: argparse.Action, old: bool) -> dict[str, Any]:
    """One row of the answer. What is deprecated is looked for in the first sentence: others may tell it of another flag."""
    text = " ".join((action.help or "").replace("%%", "%").split("\n\n")[0].split())
    text = re.split(r"(?<=[.!?]) (?=[A-Z`\[])", text, maxsplit=1)[0]
    row = {
        **named(action), **typed(action), "default": plain(action.default), "group": group,
        "help": text,
        "deprecated": old or bool(OLD.search(text)) or "Deprecated" in type(action).__name__,
        "replacement": getattr(action, "new_flag", None),
    }
    return {key: value for key, value in row.items() if key == "default" or value not in ("", False, None, [])}


def named(action: argparse.Action) -> dict[str, Any]:
    if not action.option_strings:
        return {"flag": action.dest, "positional": True}
    switch = isinstance(action, argparse.BooleanOptionalAction)
    off = [name for name in action.option_strings if switch and name.startswith("--no-") and _pair(name, action)]
    names = [name for name in action.option_strings if name not in off]
    flag = next((name for name in names if name.startswith("--")), names[0])
    return {"flag": flag, "aliases": [name for name in names if name != flag], "negation": off[0] if off else None}


def _pair(name: str, action: argparse.Action) -> bool:
    return "--" + name[len("--no-"):] in action.option_strings


def typed(action: argparse.Action) -> dict[str, Any]:
    if action.nargs == 0:
        return {"type": "bool"}
    kind = converted(action.type)
    if kind["type"] == "str" and isinstance(action.default, dict):
        kind = {**kind, "type": "json"}  # text passes the converter too, for what is no configuration
    if action.choices is not None:
        values = [plain(value) for value in action.choices if value is not None]
        kind = {**kind, "type": "choice", "choices": values, "nullable": None in list(action.choices) or kind.get("nullable")}
    if action.nargs in ("+", "*") or isinstance(action.nargs, int):
        kind = {**kind, "type": "list", "item_type": kind["type"], "nargs": action.nargs}
    elif isinstance(action, argparse._AppendAction):
        kind = {**kind, "type": "list", "item_type": kind["type"], "list_style": "repeat"}
    return {**kind, "known_values": known(action.metavar), "value_optional": action.nargs == "?" and bool(action.option_strings)}


def converted(convert: Any) -> dict[str, Any]:
    """What a converter takes, found by trying it."""
    if convert is None or convert is str:
        return {"type": "str"}
    text, whole, fraction = (takes(convert, word) for word in ("x", "7", "1.5"))
    found: dict[str, Any] = {"type": "str", "dotted_keys": isinstance(takes(convert, JSON_OBJECT), dict)}
    if isinstance(text, list):
        found = {"type": "list", "item_type": "str", "list_style": "comma"}
    elif text is REFUSED and (whole is REFUSED or takes(convert, JSON_OBJECT) is not REFUSED):
        found = {"type": "json", "dotted_keys": True}
    elif text is REFUSED:
        found = {"type": "int" if fraction is REFUSED else "float", "human_readable": takes(convert, "1k") == 1000}
    return {**found, "nullable": takes(convert, "None") is None}


REFUSED = object()


def takes(convert: Callable[[str], Any], word: str) -> Any:
    try:
        return convert(word)
    except Exception:  # noqa: BLE001  somebody else's converter: whatever it raises means no
        return REFUSED


def known(metavar: Any) -> list[str]:
    """Values named where the placeholder of the value stands: a list, or text such as `{hermes,xlam} or name ...`."""
    if isinstance(metavar, list | tuple):
        return [str(value) for value in metavar]
    match = re.match(r"\{([^}]+)\}", metavar or "")
    return match[1].split(",") if match else []


def plain(value: Any) -> Any:
    """A default as JSON; a configuration object is shown as {}: all its own defaults."""
    if isinstance(value, enum.Enum):
        return plain(value.value)
    if value == argparse.SUPPRESS:
        return None
    if isinstance(value, bool | int | float | str | None):
        return value
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(one) for one in value]
    if isinstance(value, dict):
        return {str(key): plain(one) for key, one in value.items()}
    return {} if dataclasses.is_dataclass(value) else str(value)[:200]
