"""Values of a recipe as an engine's arguments, by the engine's catalog."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from studio_core.engines.catalog import Catalog, Flag, canonical
from studio_core.recipes.inner import is_inner

Option = tuple[str, ...]


def arguments(base: Sequence[Option], extra: Mapping[str, Any], catalog: Catalog) -> list[str]:
    """The words of a recipe: its structured fields, then `extra_args`, which win over them; null takes a field's flag away."""
    options = [option for key, value in extra.items() if not is_inner(key) for option in expand(key, value, catalog)]
    return [word for option in (*kept(base, extra, catalog), *options) for word in option]


def kept(base: Sequence[Option], extra: Mapping[str, Any], catalog: Catalog) -> list[Option]:
    """What the structured fields say and `extra_args` do not say otherwise."""
    options = [option for key, value in extra.items() if not is_inner(key) for option in expand(key, value, catalog)]
    nothing = {catalog.spell(key) for key, value in extra.items() if value is None}
    taken = {_name(spelling, catalog) for spelling in (*nothing, *(option[0] for option in options))}
    return [option for option in base if _name(option[0], catalog) not in taken]


def key_of(extra: Mapping[str, Any], flag: str, catalog: Catalog) -> str | None:
    """The key of `extra_args` that says a flag, or a key within its value, in whichever spelling."""
    def name(spelling: str) -> str:
        found = catalog.find(spelling)
        return found.name if found is not None else canonical(spelling)

    return next((key for key in extra if not is_inner(key) and name(catalog.spell(key)) == name(flag)), None)


def _name(spelling: str, catalog: Catalog) -> str:
    flag = catalog.find(spelling)
    # `--flag.key` is another option than `--flag`.
    return flag.name if flag is not None and not catalog.inside(spelling) else canonical(spelling)


def expand(key: str, value: Any, catalog: Catalog) -> list[Option]:
    """One entry of `extra_args`: true is the bare flag, false its negation if there is one, null nothing."""
    spelling = catalog.spell(key)
    flag = catalog.find(spelling) or Flag(spelling)
    if value is None:
        return []
    if value is True:
        return [(spelling,)]
    if value is False:
        return [(flag.negation,)] if flag.negation and spelling not in flag.negations else []
    if flag.kind == "list" and not catalog.inside(spelling):
        return _list(spelling, flag, value)
    if isinstance(value, list | tuple) and flag.kind == "any":
        return [option for item in value for option in expand(key, item, catalog)]
    return [(spelling, text(value, flag))]


def _list(spelling: str, flag: Flag, value: Any) -> list[Option]:
    items = [text(item, flag) for item in (value if isinstance(value, list | tuple) else [value])]
    if flag.style == "comma":
        return [(spelling, ",".join(items))]
    return [(spelling, item) for item in items] if flag.style == "repeat" else [(spelling, *items)]


def text(value: Any, flag: Flag) -> str:
    """A value as one word. Text that already is JSON goes as compact JSON where JSON is wanted."""
    if isinstance(value, str) and flag.kind == "json":
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return str(value)
    if isinstance(value, Mapping | list | tuple) or (flag.kind == "json" and not isinstance(value, str)):
        return json.dumps(_snaked(value), ensure_ascii=False)
    return str(value)


def _snaked(value: Any) -> Any:
    """Keys as the engines' own configuration spells them, which YAML and JSON of people often do with dashes."""
    if isinstance(value, Mapping):
        return {str(key).replace("-", "_"): _snaked(one) for key, one in value.items()}
    return [_snaked(one) for one in value] if isinstance(value, list | tuple) else value
