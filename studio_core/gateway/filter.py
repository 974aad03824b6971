"""What an engine is told of a request's body, and a recipe's filters: fields taken out, set, given a value, kept within bounds.

Keys are compared as they read, whatever escapes they are written with; of a key that comes twice the last counts and one is left.
"""

from __future__ import annotations

import contextlib
from typing import Any

import msgspec

from studio_core.gateway.table import Filters
from studio_core.gateway.wish import BROKEN, Wish, parts, spliced, with_usage

# Where a value may be put in; a field of the sampler has no place in a request for embeddings.
GENERATING = frozenset({"/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/messages"})
NULL = msgspec.Raw(b"null")


def told(body: bytes, wish: Wish, model: str, filters: Filters | None, path: str) -> bytes:
    """The body as the engine gets it: the client's own bytes, unless something must differ. Raises BadInput.

    `model`: its name there, if it has another. A stream is asked for its usage if its client did not.
    """
    changes: dict[str, Any] = {"model": model} if model and model != wish.model else {}
    body = body if filters is None else filtered(body, filters, path)
    if wish.lacks_usage(path):
        if filters is None and wish.stream_options is msgspec.UNSET:
            body = with_usage(body)
        else:
            changes["stream_options"] = {**(wish.stream_options or {}), "include_usage": True}
    return spliced(body, changes) if changes else body


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
