"""Figures as people read them."""

from __future__ import annotations

SIZES = ("B", "KiB", "MiB", "GiB", "TiB")
NOTHING = "\u2013"
REST = "\u2500"


def size(count: float | None) -> str:
    """Bytes: `4.1 GiB`."""
    if count is None:
        return NOTHING
    step = 0
    while count >= 1024 and step < len(SIZES) - 1:
        count, step = count / 1024, step + 1
    return f"{count:.0f} {SIZES[step]}" if step == 0 or count >= 100 else f"{count:.1f} {SIZES[step]}"


def age(seconds: float) -> str:
    """A duration in its two largest units: `38 s`, `3 m 20 s`, `2 h 5 m`, `4 d 1 h`."""
    left = max(0, int(seconds))
    parts = []
    for length, name in ((86400, "d"), (3600, "h"), (60, "m"), (1, "s")):
        if left >= length:
            parts.append(f"{left // length} {name}")
            left %= length
    return " ".join(parts[:2]) or "0 s"


def of(part: float | None, whole: float | None) -> str:
    """A share of a size in the unit of the whole: `4.1 / 24.0 GiB`."""
    if part is None or not whole:
        return "N/A"
    shown, name = size(whole).split()
    return f"{part / 1024 ** SIZES.index(name):.{len(shown.partition('.')[2])}f} / {shown} {name}"


def percent(value: float | None, unknown: str = NOTHING) -> str:
    return unknown if value is None else f"{value:.0f} %"


def count(value: float) -> str:
    """A number in groups of three: `12 345`."""
    return f"{value:,.0f}".replace(",", " ")


def bar(share: float, width: int) -> str:
    """The done part of a bar, in steps of half a cell; what is left is drawn with REST. `share` is 0 to 1."""
    halves = round(max(0.0, min(1.0, share)) * width * 2)
    return "\u2501" * (halves // 2) + "\u2578" * (halves % 2)
