"""What is wrong with a recipe's arguments, known before the engine is started."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from studio_core.engines.argument import internal
from studio_core.engines.catalog import Catalog, Flag
from studio_core.errors import BadRecipe

# vLLM's own: 1k is 1000, 1K is 1024, with a fraction only before the decimal ones.
_HUMAN = re.compile(r"\d+(\.\d+)?[kmgt]|\d+[KMGT]|\d+")
# Somebody's notes among the arguments made engines fail with "unrecognized arguments" (vLLM Studio, 2026).
_NOTE = re.compile(r"(^|[-_])notes?([-_]|$)|[-_]\d{6,8}$")


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a recipe: where, what, and what to do. One that is not `severe` may still start."""

    field: str
    text: str
    hint: str
    severe: bool = True

    @property
    def line(self) -> str:
        return f"{self.field}: {self.text}" + (f" ({self.hint})" if self.hint else "")


def insist(problems: Iterable[Problem]) -> None:
    """Raises BadRecipe for those that are severe: the first one whole, the others named."""
    severe = [one for one in problems if one.severe]
    if severe:
        first, *others = severe
        more = f"; also wrong: {', '.join(one.field for one in others)}" if others else ""
        raise BadRecipe(first.text, f"in {first.field}{more}", first.hint)


def examine(extra: Mapping[str, Any], catalog: Catalog, owned: Mapping[str, str]) -> Iterator[Problem]:
    """What is wrong with `extra_args`. `owned`: flags that Studio sets itself, and what to use instead."""
    for key, value in extra.items():
        if internal(key):
            continue
        field, spelling = f"extra_args.{key}", catalog.spell(key)
        flag = catalog.find(spelling)
        own = next((name for name in owned if flag is not None and name in flag.spellings), None)
        if own is not None:
            yield Problem(field, f"Studio sets {own} itself", owned[own])
        elif flag is None:
            yield _unknown(field, spelling, catalog)
        elif flag.removed or flag.deprecated:
            hint = f"use {flag.replacement}" if flag.replacement else flag.help or "remove it"
            yield Problem(field, f"{flag.name} is {'gone' if flag.removed else 'deprecated'}", hint, severe=flag.removed)
        if flag is not None and own is None and not catalog.inside(spelling) and (wrong := problem(flag, value)):
            yield Problem(field, f"{flag.name} {wrong}", "correct it in the recipe")


def _unknown(field: str, spelling: str, catalog: Catalog) -> Problem:
    """Severe where the engine itself was asked; a shipped table may be of another version."""
    near = catalog.successor(spelling)
    if near is None:
        found = catalog.nearest(spelling)
        near = f"did you mean {found}?" if found else "remove it from extra_args"
    if _NOTE.search(spelling):
        near = "is it a note? write it into notes or description"
    return Problem(field, f"{catalog.label} has no flag {spelling}", near, severe=catalog.asked)


def problem(flag: Flag, value: Any) -> str:
    """What is wrong with a value, after the flag's name; empty when nothing is."""
    if value is None or flag.kind == "any":
        return ""
    if isinstance(value, bool):
        return "" if flag.kind in ("bool", "json") or flag.optional or value is False else f"needs a value: {_wanted(flag)}"
    if flag.nullable and str(value).lower() in ("none", "null"):
        return ""
    if flag.kind == "list":
        items = value if isinstance(value, list | tuple) else str(value).split(",") if flag.style == "comma" else [value]
        if flag.count is not None and len(items) != flag.count:
            return f"takes {flag.count} values, got {len(items)}"
        return next((wrong for item in items if (wrong := _single(flag, flag.item, item))), "")
    return _single(flag, flag.kind, value)


def _single(flag: Flag, kind: str, value: Any) -> str:
    if _FITS[kind](flag, value):
        return ""
    return f"takes {_wanted(flag)}, got {value!r}"


def _wanted(flag: Flag) -> str:
    if flag.choices:
        return "one of " + ", ".join(map(str, flag.choices))
    return {"bool": "true or false", "int": "a whole number", "float": "a number", "json": "JSON", "str": "text",
            "list": "a list"}.get(flag.kind, "a value")


def _whole(flag: Flag, value: Any) -> bool:
    if isinstance(value, str):
        return bool(re.fullmatch(r"-?\d+", value)) or (flag.human and bool(_HUMAN.fullmatch(value)))
    return isinstance(value, int)


def _number(_: Flag, value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True


def _json(flag: Flag, value: Any) -> bool:
    if not isinstance(value, str):
        return isinstance(value, Mapping | list | tuple | int | float)
    try:
        json.loads(value)
    except (ValueError, RecursionError):
        return False
    return True


_FITS: Mapping[str, Callable[[Flag, Any], bool]] = {
    "bool": lambda _, value: isinstance(value, bool),
    "int": _whole,
    "float": _number,
    "str": lambda _, value: isinstance(value, str | int | float),
    "choice": lambda flag, value: str(value) in {str(choice) for choice in flag.choices},
    "json": _json,
    "any": lambda *_: True,
}
