"""A recipe's filters on a request's body: fields taken out, set, given a value where they have none, kept within bounds.

Keys are compared as they read, whatever escapes they are written with; of a key that comes twice the last counts and one is left.
"""

from __future__ import annotations

import contextlib
from typing import Any

import msgspec

from studio_core.gateway.table import Filters
from studio_core.gateway.wish import BROKEN, parts

# Where a value may be put in; a field of the sampler has no place in a request for embeddings.
GENERATING = frozenset({"/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/messages"})
NULL = msgspec.Raw(b"null")


def filtered(body: bytes, rules: Filters, path: str) -> bytes:
    """The body as the rules want it; the client's own bytes where no rule says anything. Raises BadInput."""
    found = parts(body)
    told = any(name in found for name in (*rules.strip, *rules.clamp))
    if path in GENERATING:
        told = told or bool(rules.set or rules.default)
        given = {name: value for name, value in found.items() if name not in rules.strip}
        lacking = {name: value for name, value in rules.default.items() if given.get(name, NULL) == NULL}
        found = {**given, **lacking, **rules.set}
    else:
        for name in rules.strip:
            found.pop(name, None)
    for name, (low, high) in rules.clamp.items():
        if name in found:
            found[name] = clamped(found[name], low, high)
    return msgspec.json.encode(found) if told else body


def clamped(value: Any, low: float | None, high: float | None) -> Any:
    """The value, or the bound that it passes. Text that an engine would read as a number is one here too."""
    number = _number(value)
    if number is None:
        return value
    if high is not None and not number <= high:
        return high
    return low if low is not None and not number >= low else value


def _number(value: Any) -> float | None:
    if isinstance(value, msgspec.Raw):
        data = bytes(value)
        try:
            value = msgspec.json.decode(data)
        except BROKEN:  # More digits than any number has, or text that is none.
            value = data.decode(errors="replace")
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    with contextlib.suppress(ValueError, OverflowError):
        return value if isinstance(value, int) else float(value)
    return None
