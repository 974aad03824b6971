"""What holds for the open log, in the words of its lower border."""

from __future__ import annotations

from collections.abc import Iterator

from studio_core.logs.needle import LEVELS
from studio_tui import start, unit
from studio_tui.hunt import Hunt
from studio_tui.widgets.log_view import LogView


def facts(log: LogView, hunt: Hunt, lost: int) -> str:
    """`lost`: bytes of a log from afar that were skipped."""
    return " \u00b7 ".join(_facts(log, hunt, lost))


def _facts(log: LogView, hunt: Hunt, lost: int) -> Iterator[str]:
    looks = log.looks
    about = "about " if log.estimated else ""
    paused = f"paused, {about}{unit.count(log.unseen)} new lines" if log.unseen else "paused"
    yield "following" if log.follow else paused
    part = f" ({100 - round(100 * hunt.left)} %)" if hunt.left else ""
    if hunt.search:
        here = f"{unit.count(hunt.number)} of " if hunt.number else ""
        none = f"searching{part}" if hunt.left or not hunt.searched else "no match"
        yield f"{start.spelled(hunt.search)}: {f'{here}{unit.count(hunt.found)}{part}' if hunt.found else none}"
    if hunt.filter or looks.level:
        wanted = [f"with {start.spelled(hunt.filter)}"] if hunt.filter else []
        level = [f"{LEVELS[looks.level]}{' and worse' if looks.level < len(LEVELS) - 1 else 's'}"] if looks.level else []
        yield f"only lines {' '.join((*wanted, *level))}: {unit.count(hunt.passed)}{part}"
    if looks.wrapped:
        yield "wrapped"
    if not looks.times:
        yield "no times"
    if lost:
        yield f"{unit.size(lost)} skipped"
