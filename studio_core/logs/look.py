"""What of a line is shown: its words without what a terminal would obey, cut before anybody looks into it."""

from __future__ import annotations

import re

from studio_core.text import clean

# A longer line is cut before anything looks into it: a pattern on a megabyte would hold up the app.
CELLS = 2_000
RAW = 4 * CELLS
_DAY, _CLOCK = r"\d{4}-\d\d-\d\d", r"\d\d:\d\d:\d\d(?:[.,]\d+)?"
# As engines and daemons write them: ISO with or without brackets, vLLM's month and day after the level, llama.cpp's own clock.
_TIME = re.compile(
    rf"(?<![\w.])\[?{_DAY}[T ]{_CLOCK}(?:Z|[+-]\d\d:?\d\d)?\]?:? ?|(?<![\w-])\d\d-\d\d {_CLOCK} |^{_CLOCK} "
    r"|^\d+\.\d\d\.\d{3}\.\d{3} "
)
_WITHIN = 80


def shown(data: bytes, times: bool = True) -> str:
    """One line as text. Of what was overwritten by carriage returns the last state; `times`: with the time that it tells."""
    if len(data) > RAW:
        data = data[max(0, data.rstrip(b"\r").rfind(b"\r")):][:RAW]
    text = clean(data.decode("utf-8", "replace")).replace("\n", " ").expandtabs(8)
    if not times:
        text = _TIME.sub("", text[:_WITHIN], count=1) + text[_WITHIN:]
    return text[:CELLS]
