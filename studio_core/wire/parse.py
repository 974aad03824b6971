"""JSON to wire models, in one thread at a time.

What msgspec knows of a type it builds at the first use, by Python code: two threads that do so at once end the interpreter
with a segmentation fault (33 of 40 times with 0.22 when provoked). Decoding holds the interpreter anyway: a lock costs nothing.
"""

from __future__ import annotations

import threading
from typing import Any

import msgspec

_ONE = threading.Lock()


def decode(data: bytes, kind: Any) -> Any:
    """A JSON text as a model. Raises msgspec.DecodeError, or UnicodeDecodeError."""
    with _ONE:
        return msgspec.json.decode(data, type=kind)


def convert(value: Any, kind: Any) -> Any:
    """Plain values as a model. Raises msgspec.ValidationError."""
    with _ONE:
        return msgspec.convert(value, kind)
