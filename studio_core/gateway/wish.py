"""What a request's body asks for: the routing fields, read without decoding the rest, and changed without touching it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from studio_core.errors import BadInput

# Where the usage of a stream has to be asked for, and where [DONE] ends it.
OPENAI_STREAMS = frozenset({"/v1/chat/completions", "/v1/completions"})


class Wish(msgspec.Struct, frozen=True, gc=False):
    """What the gateway reads of a request's body; the rest is only walked over."""

    model: Any = None
    stream: Any = None
    stream_options: Any = msgspec.UNSET

    @property
    def asks_usage(self) -> bool:
        """Whether a stream is to tell its usage, or says something of it that is the engine's to judge."""
        options = self.stream_options or {}
        return not isinstance(options, dict) or bool(options.get("include_usage"))

    def lacks_usage(self, path: str) -> bool:
        """Whether it is a stream that would not tell its usage there."""
        return self.stream is True and path in OPENAI_STREAMS and not self.asks_usage


ASK_USAGE = b'"stream_options":{"include_usage":true}'
BROKEN = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

_wish = msgspec.json.Decoder(Wish)
_parts = msgspec.json.Decoder(dict[str, msgspec.Raw])


def peek(body: bytes) -> tuple[Wish, BadInput | None]:
    """The routing fields of the body, or none and what is wrong with it. Of a key that comes twice the last counts."""
    try:
        return _wish.decode(body), None
    except BROKEN:
        return Wish(), _object(body)


def parts(body: bytes) -> dict[str, Any]:
    """Its keys, with the values as they came. Raises BadInput where `peek` saw nothing wrong: it does not read every key."""
    try:
        return dict(_parts.decode(body))
    except BROKEN as error:
        raise BadInput("the body is not JSON", str(error), "send a JSON object") from error


def with_usage(body: bytes) -> bytes:
    """The body of a stream that asks for its usage too, of one that has no `stream_options`."""
    return b"%b,%b}" % (body.rstrip()[:-1], ASK_USAGE)


def spliced(body: bytes, changes: Mapping[str, Any]) -> bytes:
    """The body with other values at these keys; every other value goes as it came, byte for byte. Raises BadInput."""
    return msgspec.json.encode({**parts(body), **changes})


def _object(body: bytes) -> BadInput:
    """What is wrong with a body that is no JSON object."""
    try:
        data = msgspec.json.decode(body)
    except BROKEN as error:
        return BadInput("the body is not JSON", str(error), "send a JSON object")
    return BadInput("the body is not a JSON object", f"it is a {type(data).__name__}", "send a JSON object")
