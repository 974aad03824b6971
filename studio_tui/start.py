"""Logs as a person reads them: starts of one recipe in the order of time, and the words for each."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from studio_core import wire
from studio_core.logs.needle import Want
from studio_core.text import line
from studio_tui import status, unit
from studio_tui.widgets.table import Cell, Row

# Earlier starts of the same recipe that stand above the one that is open.
STARTS = 8


def chain(files: Sequence[wire.LogFile], log_id: str) -> list[wire.LogFile]:
    """Starts of one recipe up to this one, in the order of time."""
    mine = next((one for one in files if one.id == log_id), wire.LogFile(id=log_id))
    same = [one for one in files if one.recipe_id == mine.recipe_id and one.created_at < mine.created_at]
    earlier = sorted(same, key=lambda one: one.created_at)[-STARTS:] if mine.recipe_id else []
    return [*earlier, mine]


def newer(files: Sequence[wire.LogFile], mine: wire.LogFile) -> wire.LogFile | None:
    """The newest start of the same recipe, where there is one after this."""
    found = [one for one in files if one.recipe_id == mine.recipe_id and one.created_at > mine.created_at]
    return max(found, key=lambda one: one.created_at) if found and mine.recipe_id and mine.created_at else None


def row(one: wire.LogFile) -> Row:
    """A log in the list."""
    return Row(one.id, (
        Cell(one.name or one.id), Cell(unit.size(one.size), status.QUIET),
        Cell("\u25cf" if one.live else "\u25cb", status.GOOD if one.live else status.QUIET),
    ))


def label(one: wire.LogFile) -> str:
    """What stands above the lines of one start; nothing for a daemon."""
    if not one.recipe_id:
        return ""
    try:
        at = datetime.fromisoformat(one.created_at).astimezone().strftime("%d %b %Y %H:%M:%S")
    except ValueError:
        at = ""
    return line(" \u00b7 ".join(part for part in (f"started {at}".strip(), one.backend or "", one.id) if part))


def spelled(want: Want) -> str:
    """A text or a pattern that is looked for."""
    text = line(want.text)
    return f"/{text}/" if want.regex else repr(text)
