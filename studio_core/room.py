"""Room on the disk that holds the state directory: how much is left, what to say when it is full, and a reserve for a start."""

from __future__ import annotations

import contextlib
import errno
import os
import shlex
from pathlib import Path

from studio_core.errors import DiskFull
from studio_core.paths import Places

# Less than this cannot hold the record, the spec and the first lines of an engine beside a few rows of the database.
SCARCE = 256 * 1024
# Kept on disk while there is plenty, so that a controller can open the database (SQLite needs 32 KiB for its index) on a
# disk that others have filled: without one nobody could stop an engine.
RESERVE = 256 * 1024
PLENTY = 4 * RESERVE
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})


def left(path: Path) -> int:
    """Bytes that we may still take on the disk of `path` (statvfs(3), f_bavail). Raises OSError."""
    info = os.statvfs(path)
    return info.f_bavail * info.f_frsize


def is_scarce(path: Path) -> bool:
    """False also where it cannot be told: the write itself will say it then."""
    with contextlib.suppress(OSError):
        return left(path) < SCARCE
    return False


def is_full(error: OSError) -> bool:
    """Whether this is the error of a write that found no room: a full disk, or a used-up quota."""
    return error.errno in _NO_ROOM


def full(path: Path, what: str = "") -> DiskFull:
    """The error for a disk without room: which one, how much is left, and what may be deleted.

    `path` lies on it, in a state directory or beside one; `what` could not be done.
    """
    folder = next(one for one in (path, *path.parents) if one.is_dir())
    mount = next(one for one in (folder, *folder.parents) if one.is_mount())
    count = f"{left(folder) // 1024} KiB are left on {mount}"
    history = Places(folder).history
    old = history.is_dir() and any(history.iterdir())
    example = f", for example old engine logs: rm -r {shlex.quote(str(history))}/*" if old else f" on {mount}"
    hint = f"free some space{example}; the rest goes on by itself"
    return DiskFull("the disk is full", "; ".join(filter(None, [what, count])), hint)


def give_up_reserve(places: Places) -> None:
    """Make room for a start on a full disk."""
    if is_scarce(places.root):
        places.reserve.unlink(missing_ok=True)


def keep_reserve(places: Places, spare: int = PLENTY) -> None:
    """Take it again where more than `spare` bytes are left; at the end of a controller as much of it as there is."""
    with contextlib.suppress(OSError):
        has = places.reserve.stat().st_size if places.reserve.exists() else 0
        wanted = min(has + left(places.root) - spare, RESERVE)
        if wanted <= has:
            return
        handle = os.open(places.reserve, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(handle, 0, wanted)
        finally:
            os.close(handle)
