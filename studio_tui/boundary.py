"""The terminal's boundary: whatever comes from Studio is made safe here, once, before a widget can see it."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from studio_core.errors import StudioError
from studio_core.text import clean

T = TypeVar("T")
PLAIN = frozenset({int, float, bool, type(None)})


def safe(value: T) -> T:
    """The value with every text in it cleaned; structs are changed in place."""
    return _safe(value)  # type: ignore[no-any-return]


def _safe(value: Any) -> Any:
    """Figures are most of what comes every second: they are passed over where they stand."""
    if isinstance(value, str):
        # What is plain has nothing to be cleaned.
        return value if value.isascii() and value.isprintable() else clean(value)
    if isinstance(value, (list, tuple)):
        return type(value)([each if type(each) in PLAIN else _safe(each) for each in value])
    if isinstance(value, dict):
        return {_safe(name): each if type(each) in PLAIN else _safe(each) for name, each in value.items()}
    if isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            held = getattr(value, name)
            if type(held) not in PLAIN and (cleaned := _safe(held)) is not held:
                setattr(value, name, cleaned)
    return value


def safe_error(error: StudioError) -> StudioError:
    return type(error)(clean(error.title), clean(error.detail), clean(error.hint))
