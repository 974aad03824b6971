"""Plain aligned columns and small words for figures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from studio_core import wire
from studio_core.text import clean


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Left-aligned columns, two blanks apart; everything in them is sanitised."""
    cells = [[*head], *[[clean(cell).replace("\n", " ") for cell in row] for row in rows]]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells)


def as_json(value: Any) -> str:
    return json.dumps(wire.to_builtins(value), indent=2)


def size(count: int | None) -> str:
    """Bytes for people; "N/A" when unknown, never 0."""
    if count is None:
        return "N/A"
    value = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"


def age(seconds: float) -> str:
    """45 s, 12 min, 3 h 20 min, 5 d."""
    total = int(seconds)
    if total < 60:
        return f"{total} s"
    if total < 3600:
        return f"{total // 60} min"
    if total < 86400:
        return f"{total // 3600} h {total % 3600 // 60} min"
    return f"{total // 86400} d"


def progress(one: wire.Progress) -> str:
    if one.percent is None:
        return one.stage or "no progress yet"
    left = "" if one.eta_s is None else f", about {age(one.eta_s)} left"
    return f"{one.percent:.0f} % {one.stage}{left}"
