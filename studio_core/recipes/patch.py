"""Changes of a recipe as data: merge patches (RFC 7396) of its stored fields, and what they change, in lines."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any


def merged(data: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """`data` with the change made: mappings are merged, null removes a key, all else replaces."""
    found = dict(data)
    for key, value in change.items():
        if value is None:
            found.pop(key, None)
        elif isinstance(value, Mapping):
            below = found.get(key)
            found[key] = merged(below if isinstance(below, Mapping) else {}, value)
        else:
            found[key] = value
    return found


def difference(data: Mapping[str, Any], change: Mapping[str, Any], place: str = "") -> Iterator[str]:
    """What the change would change, as lines of a diff: `- max_model_len: 131072`, `+ max_model_len: 46464`."""
    for key, value in change.items():
        name, before = f"{place}{key}", data.get(key)
        if isinstance(value, Mapping):
            yield from difference(before if isinstance(before, Mapping) else {}, value, f"{name}.")
        elif before != value:
            if before is not None:
                yield f"- {name}: {_text(before)}"
            if value is not None:
                yield f"+ {name}: {_text(value)}"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
