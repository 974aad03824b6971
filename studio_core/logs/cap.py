"""The total of all engine logs: the oldest engines that are gone lose theirs first."""

from __future__ import annotations

import shutil
from pathlib import Path

from studio_core.logs.reader import LogFolder
from studio_core.paths import Places


def prune(places: Places, limit: int) -> list[str]:
    """Delete what is kept of engines that are gone, oldest first, until all engine logs take `limit` bytes or less.

    Logs of engines that run count and stay, and so does the newest of those that are gone. Returns the names deleted.
    """
    taken = sum(map(_taken, places.instances.iterdir()))
    gone = sorted(places.history.iterdir(), key=_gone_at, reverse=True)
    deleted = []
    for number, folder in enumerate(gone):
        taken += _taken(folder)
        if taken > limit and number > 0:
            shutil.rmtree(folder, ignore_errors=True)
            deleted.append(folder.name)
    return deleted


def _taken(folder: Path) -> int:
    """What we may not look into is not ours to count, nor to delete."""
    try:
        return LogFolder(folder / "log").stored
    except OSError:
        return 0


def _gone_at(folder: Path) -> float:
    """When it was moved here; one that another call deletes meanwhile is the oldest."""
    try:
        return folder.stat().st_mtime
    except FileNotFoundError:
        return 0.0
