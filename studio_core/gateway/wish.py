"""What a request's body asks for: the routing fields, read without decoding the rest, and changed without touching it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from studio_core.errors import BadInput


class Wish(msgspec.Struct, gc=False):
    """What the gateway reads of a request's body; the rest is only walked over."""

    model: Any = None
    stream: Any = None
    stream_options: Any = None


_wish = msgspec.json.Decoder(Wish)
_parts = msgspec.json.Decoder(dict[str, msgspec.Raw])


def peek(body: bytes) -> tuple[Wish, BadInput | None]:
    """The routing fields of the body, or none and what is wrong with it. Of a key that comes twice the last counts."""
    try:
        return _wish.decode(body), None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Wish(), _object(body)


def spliced(body: bytes, changes: Mapping[str, Any]) -> bytes:
    """The body with other values at these keys; every other value goes as it came, byte for byte."""
    parts: dict[str, Any] = {**_parts.decode(body), **changes}
    return msgspec.json.encode(parts)


def _object(body: bytes) -> BadInput:
    """What is wrong with a body that is no JSON object."""
    try:
        data = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return BadInput("the body is not JSON", str(error), "send a JSON object")
    return BadInput("the body is not a JSON object", f"it is a {type(data).__name__}", "send a JSON object")
