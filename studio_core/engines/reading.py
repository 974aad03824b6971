"""An engine's command line as the values of a recipe, by the engine's catalog."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from studio_core.engines.catalog import Catalog, Flag, canonical
from studio_core.recipes.inner import is_inner

_SHORT = re.compile(r"-[A-Za-z]")
_CONVERT: Mapping[str, Callable[[str], Any]] = {"int": int, "float": float, "json": json.loads}


@dataclass(frozen=True, slots=True)
class Reading:
    """A command line, read: `values` as `extra_args` would have them, `words` that belong to no flag, `unknown` flags."""

    values: dict[str, Any]
    words: list[str]
    unknown: list[str]


def read(words: Sequence[str], catalog: Catalog) -> Reading:
    """The inverse of `arguments`, over any way in which the engine's own parser lets it be written.

    An unknown flag takes the word after it as its value, unless that is a flag too.
    """
    found = Reading({}, [], [])
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if not _is_flag(word, catalog):
            found.words.append(word)
            continue
        spelling, equals, inline = word.partition("=")
        flag = catalog.find(spelling)
        if flag is None:
            found.unknown.append(spelling)
            flag = Flag(spelling)
        name = spelling if catalog.inside(spelling) else flag.name
        _store(found.values, name, flag, *_value(flag, spelling, [inline] if equals else None, rest, catalog))
    return found


def _is_flag(word: str, catalog: Catalog) -> bool:
    """A negative number is none, unless a flag is called so."""
    return (word.startswith("--") and len(word) > 2) or bool(_SHORT.match(word)) or (
        word.startswith("-") and catalog.find(word.partition("=")[0]) is not None
    )


def _value(flag: Flag, spelling: str, inline: list[str] | None, rest: list[str], catalog: Catalog) -> tuple[Any]:
    if spelling in flag.negations or canonical(spelling) in flag.negations:
        return (False,)
    inside = catalog.inside(spelling)
    if flag.kind == "bool" and not inside:
        return (True,)
    if inline is not None:
        return (_typed(flag, inside, inline[0]),)
    if flag.kind == "list" and flag.style == "words" and not inside:
        items: list[Any] = []
        while rest and not _is_flag(rest[0], catalog) and (flag.count is None or len(items) < flag.count):
            items.append(_scalar(flag.item, rest.pop(0)))
        return (items,)
    if not rest or _is_flag(rest[0], catalog):
        return (True,)
    return (_typed(flag, inside, rest.pop(0)),)


def _typed(flag: Flag, inside: bool, word: str) -> Any:
    if flag.kind == "list" and not inside:
        return [_scalar(flag.item, item) for item in (word.split(",") if flag.style == "comma" else [word])]
    return _scalar("any" if inside else flag.kind, word)


def _scalar(kind: str, word: str) -> Any:
    try:
        return _CONVERT.get(kind, str)(word)
    except (ValueError, RecursionError):
        return word


def _store(values: dict[str, Any], name: str, flag: Flag, value: Any) -> None:
    key = _key(name, flag)
    before = values.get(key)
    if isinstance(before, list) and isinstance(value, list) and flag.style != "words":
        value = [*before, *value]
    elif key in values and flag.kind == "any":
        # What an unknown flag means that is given twice is not known either: both stay.
        value = [*(before if isinstance(before, list) else [before]), value]
    values[key] = value


def _key(name: str, flag: Flag) -> str:
    """As `extra_args` have it. A flag keeps its dashes that is short, or called like one of Studio's own keys."""
    if not name.startswith("--") and name.startswith("-"):
        return name if flag.kind == "any" else name.lstrip("-").replace("-", "_")
    head, dot, tail = name.lstrip("-").partition(".")
    key = head.replace("-", "_") + dot + tail
    return name if is_inner(key) else key
