"""What every wire model is."""

from __future__ import annotations

from typing import Any

import msgspec


class Model(msgspec.Struct, kw_only=True, omit_defaults=False):
    """Base of all wire models."""


def to_builtins(value: Any) -> Any:
    """The value as plain dicts, lists and scalars, ready for any JSON encoder."""
    return msgspec.to_builtins(value)
