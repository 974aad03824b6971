"""One line of the usage journal, as the columns of a row in `requests`.

The gateway writes JSON objects, one per line: `{"t": "start", "id": ..., "at": ...}` when a request arrives,
`{"t": "end", "id": ..., "at": ...}` when its answer is over, each with those columns of `requests` that are known
by then, and `{"t": "closed"}` as the last line of a segment. `at` is seconds since the epoch.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import msgspec

CLOSED = b'{"t":"closed"}\n'
COLUMNS = (
    "path", "model", "recipe", "instance", "key", "stream", "status", "outcome", "ttft_s", "duration_s", "prompt_tokens",
    "completion_tokens", "cached_tokens", "reasoning_tokens", "finish", "chunks", "error",
)
_INTEGER_LIMIT = 2**63


@dataclass(frozen=True, slots=True)
class Line:
    """A start (`ended_at` is None) or an end. `values` are those of COLUMNS, in their order."""

    id: str
    started_at: float
    ended_at: float | None
    values: tuple[Any, ...]


def parse(data: bytes) -> tuple[list[Line], int]:
    """The lines of whole text, and how many of them could not be read."""
    texts = [text for text in data.split(b"\n") if text and text != CLOSED.rstrip()]
    lines = [line for text in texts if (line := _line(text)) is not None]
    return lines, len(texts) - len(lines)


def _line(text: bytes) -> Line | None:
    try:
        body = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if not isinstance(body, dict) or body.get("t") not in ("start", "end") or not isinstance(body.get("id"), str):
        return None
    values = tuple(_scalar(body.get(name)) for name in COLUMNS)
    at = _number(body.get("at"), time.time())
    if body["t"] == "start":
        return Line(body["id"], at, None, values)
    # An end whose start line was lost still says when it began.
    return Line(body["id"], at - _number(body.get("duration_s"), 0.0), at, values)


def _number(value: Any, otherwise: float) -> float:
    return float(value) if isinstance(value, int | float) and abs(value) < _INTEGER_LIMIT else otherwise


def _scalar(value: Any) -> Any:
    """What SQLite can hold; one odd value must not stop the journal."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int):
        return value if abs(value) < _INTEGER_LIMIT else None
    return value if isinstance(value, str | float) else None
