"""What a check finds: one line, why it matters, and what to do."""

from __future__ import annotations

from dataclasses import dataclass

OK, WARN, FAIL = "ok", "warn", "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """`level` is ok, warn or fail; whatever is not ok has a remedy."""

    check: str
    level: str
    what: str
    why: str = ""
    remedy: str = ""
