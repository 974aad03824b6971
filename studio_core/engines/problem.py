"""What is wrong with a recipe's arguments, known before the engine is started."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from studio_core.engines.argument import Option
from studio_core.engines.catalog import Catalog, Flag
from studio_core.errors import BadRecipe
from studio_core.recipes.inner import is_inner

# vLLM's own: 1k is 1000, 1K is 1024, with a fraction only before the decimal ones.
_HUMAN = re.compile(r"\d+(\.\d+)?[kmgt]|\d+[KMGT]|\d+")
# Somebody's notes among the arguments made engines fail with "unrecognized arguments" (vLLM Studio, 2026).
_NOTE = re.compile(r"(^|[-_])notes?([-_]|$)|[-_]\d{6,8}$")

# Bits of a cache, counts: no table lists them all.
_COUNTED = re.compile(r"\d+(,\d+)*")
# Judged by `parser.problems`, which knows plugins.
JUDGED = frozenset({"--tool-call-parser", "--reasoning-parser"})


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a recipe: where, what, and what to do. One that is not `severe` may still start.

    `doubtful`: a shipped table says so, which may be of another version than the engine that is installed.
    """

    field: str
    text: str
    hint: str
    severe: bool = True
    doubtful: bool = False

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
        if is_inner(key):
            continue
        field, spelling = f"extra_args.{key}", catalog.spell(key)
        flag = catalog.find(spelling)
        own = next((name for name in owned if flag is not None and name in flag.spellings), None)
        if own is not None:
            yield Problem(field, f"Studio sets {own} itself", owned[own])
        elif flag is None:
            yield _unknown(field, spelling, catalog)
        elif flag.removed or flag.deprecated:
            known = catalog.successor(flag.name)
            hint = f"use {flag.replacement}" if flag.replacement else known or flag.help or "remove it"
            yield Problem(field, f"{flag.name} is {'gone' if flag.removed else 'deprecated'}", hint, severe=flag.removed)
        if flag is not None and own is None and not catalog.inside(spelling):
            yield from valued(field, flag, value, catalog)


def valued(field: str, flag: Flag, value: Any, catalog: Catalog) -> Iterator[Problem]:
    """A value that is wrong, or that the engine does not name although it names some.

    Of the choices a shipped table may miss those of another version.
    """
    wrong = problem(flag, value)
    if wrong:
        chosen = "choice" in (flag.kind, flag.item) and not isinstance(value, bool)
        hint = _near(value, flag.choices) or "correct it in the recipe"
        doubtful = chosen and not catalog.asked
        yield Problem(field, f"{flag.name} {wrong}", hint, not doubtful, doubtful)
    elif _is_unnamed(flag, value):
        hint = _near(value, flag.known) or f"it names {', '.join(map(str, flag.known))}"
        yield Problem(field, f"{catalog.label} does not name {value!r} for {flag.name}", hint, severe=False)


def _is_unnamed(flag: Flag, value: Any) -> bool:
    if not flag.known or not isinstance(value, str) or flag.name in JUDGED or _COUNTED.fullmatch(value):
        return False
    return value not in map(str, flag.known) and not (flag.nullable and value.lower() in ("none", "null"))


def _near(value: Any, among: Sequence[Any]) -> str:
    near = difflib.get_close_matches(str(value).lower(), sorted(map(str, among)), 1, 0.6)
    return f"did you mean {near[0]}?" if near else ""


def examine_own(options: Iterable[Option], catalog: Catalog, fields: Mapping[str, str]) -> Iterator[Problem]:
    """What is wrong with the words that the recipe's own fields became. `fields`: the flag's name → the field that says it."""
    for spelling, *words in options:
        field, flag = fields.get(spelling, spelling), catalog.find(spelling)
        if spelling in JUDGED:
            continue
        if flag is None:
            yield _unknown(field, spelling, catalog, "leave the field out, or take another version of the engine")
        elif flag.removed:
            yield Problem(field, f"{flag.name} is gone", f"use {flag.replacement}" if flag.replacement else "leave the field out")
        else:
            yield from valued(field, flag, _value(flag, words), catalog)


def _value(flag: Flag, words: Sequence[str]) -> Any:
    if not words:
        return True
    return list(words) if flag.kind == "list" and flag.style != "comma" else words[0]


def _unknown(field: str, spelling: str, catalog: Catalog, remedy: str = "") -> Problem:
    """Severe where the engine itself was asked; a shipped table may be of another version."""
    near = remedy or catalog.successor(spelling)
    if not near:
        found = catalog.nearest(spelling)
        near = f"did you mean {found}?" if found else "remove it from extra_args"
    if _NOTE.search(spelling):
        near = "is it a note? write it into notes or description"
    return Problem(field, f"{catalog.label} has no flag {spelling}", near, catalog.asked, not catalog.asked)


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
