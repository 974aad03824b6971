"""One line of the usage journal, as the columns of a row in `requests`.

The gateway writes JSON objects, one per line: `{"t": "start", "id": ..., "at": ...}` when a request arrives,
`{"t": "end", "id": ..., "at": ...}` when its answer is over, each with those columns of `requests` that are known
by then, and `{"t": "closed"}` as the last line of a segment. `at` is seconds since the epoch.
"""

from __future__ import annotations

import time
from typing import Annotated, Any, Literal

import msgspec

CLOSED = b'{"t":"closed"}\n'
_INTEGER_LIMIT = 2**63
_BROKEN = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_Count = Annotated[int, msgspec.Meta(gt=-_INTEGER_LIMIT, le=_INTEGER_LIMIT - 1)]
_Seconds = Annotated[float, msgspec.Meta(gt=-_INTEGER_LIMIT, lt=_INTEGER_LIMIT)]


class _Row(msgspec.Struct, gc=False):
    """A line as the gateway writes it; after its kind, id and moment come the columns."""

    t: Literal["start", "end", "closed"]
    id: str = ""
    at: _Seconds | None = None
    path: str | None = None
    model: str | None = None
    recipe: str | None = None
    instance: str | None = None
    key: str | None = None
    stream: bool | None = None
    status: _Count | None = None
    outcome: str | None = None
    ttft_s: _Seconds | None = None
    duration_s: _Seconds | None = None
    prompt_tokens: _Count | None = None
    completion_tokens: _Count | None = None
    cached_tokens: _Count | None = None
    reasoning_tokens: _Count | None = None
    finish: str | None = None
    chunks: _Count | None = None
    error: str | None = None


_BEFORE = 3
COLUMNS = _Row.__struct_fields__[_BEFORE:]
_rows = msgspec.json.Decoder(_Row)


class Line(msgspec.Struct, frozen=True, gc=False):
    """A start (`ended_at` is None) or an end. `values` are those of COLUMNS, in their order."""

    id: str
    started_at: float
    ended_at: float | None
    values: tuple[Any, ...]


def parse(data: bytes) -> tuple[list[Line], int]:
    """The lines of whole text, and how many of them could not be read.

    All at once, as the gateway writes them; one by one where a line says something else.
    """
    try:
        rows = [row for row in _rows.decode_lines(data) if row.t != "closed"]
    except _BROKEN:
        texts = [text for text in data.split(b"\n") if text and text != CLOSED.rstrip()]
        lines = [line for text in texts if (line := _odd(text)) is not None]
        return lines, len(texts) - len(lines)
    now = time.time()
    lines = [
        _line(row.t, row.id, now if row.at is None else row.at, msgspec.structs.astuple(row)[_BEFORE:], row.duration_s)
        for row in rows if row.id
    ]
    return lines, len(rows) - len(lines)


def _line(kind: str, name: str, at: float, values: tuple[Any, ...], duration_s: float | None) -> Line:
    """An end whose start line was lost still says when it began."""
    return Line(name, at, None, values) if kind == "start" else Line(name, at - (duration_s or 0.0), at, values)


def _odd(text: bytes) -> Line | None:
    try:
        body = msgspec.json.decode(text)
    except _BROKEN:
        return None
    if not isinstance(body, dict) or body.get("t") not in ("start", "end"):
        return None
    if not isinstance(body.get("id"), str) or not body["id"]:
        return None
    values = tuple(_scalar(body.get(name)) for name in COLUMNS)
    return _line(body["t"], body["id"], _number(body.get("at"), time.time()), values, _number(body.get("duration_s"), 0.0))


def _number(value: Any, otherwise: float) -> float:
    return float(value) if isinstance(value, int | float) and abs(value) < _INTEGER_LIMIT else otherwise


def _scalar(value: Any) -> Any:
    """What SQLite can hold; one odd value must not stop the journal."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int):
        return value if abs(value) < _INTEGER_LIMIT else None
    return value if isinstance(value, str | float) else None
