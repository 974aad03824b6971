"""The terminal's boundary: whatever comes from Studio is made safe here, once, before a widget can see it."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from studio_core.errors import StudioError
from studio_core.text import clean

T = TypeVar("T")


def safe(value: T) -> T:
    """The value with every text in it cleaned; structs are changed in place."""
    return _safe(value)  # type: ignore[no-any-return]


def _safe(value: Any) -> Any:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, (list, tuple)):
        return type(value)(_safe(each) for each in value)
    if isinstance(value, dict):
        return {_safe(name): _safe(each) for name, each in value.items()}
    if isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            setattr(value, name, _safe(getattr(value, name)))
    return value


def safe_error(error: StudioError) -> StudioError:
    return type(error)(clean(error.title), clean(error.detail), clean(error.hint))
