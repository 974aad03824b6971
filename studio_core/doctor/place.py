"""The state directory: whose it is, who else can get in, on what disk it lies."""

from __future__ import annotations

import os
import shlex
import stat
from collections.abc import Iterator
from pathlib import Path

from studio_core.doctor.finding import FAIL, OK, WARN, Finding
from studio_core.doctor.subject import Subject
from studio_core.errors import StateError
from studio_core.paths import NETWORK_FILESYSTEMS, filesystem

GIB = 1024**3
SPACE_WARN, SPACE_FAIL = GIB, GIB // 16
SHOWN = 3


def folder(subject: Subject) -> Iterator[Finding]:
    root = subject.places.root
    if not root.exists():
        yield Finding("state", OK, f"{root} is made at the first start")
        return
    try:
        subject.places.check()
    except StateError as error:
        yield Finding("state", FAIL, error.title, error.detail, error.hint)
    else:
        yield Finding("state", OK, f"{root} is yours alone")


def modes(subject: Subject) -> Iterator[Finding]:
    """Files and sockets in it: 0600, folders 0700, all of the same owner."""
    root = subject.places.root
    found = list(_entries(root))
    foreign = [path for path, info in found if info.st_uid != os.getuid()]
    if foreign:
        yield Finding("modes", FAIL, f"of another owner: {_some(foreign)}", "Studio cannot rely on what others may change",
                      f"chown -R {subject.user} {shlex.quote(str(root))}")
    wide = [path for path, info in found if info.st_mode & 0o077]
    if wide:
        yield Finding("modes", WARN, f"open to other users: {_some(wide)}", "keys, prompts and sockets are in there",
                      f"chmod -R go= {shlex.quote(str(root))}")
    if found and not foreign and not wide:
        yield Finding("modes", OK, f"{len(found)} files, folders and sockets are closed to others")


def _entries(root: Path) -> Iterator[tuple[Path, os.stat_result]]:
    for parent, folders, files in os.walk(root):
        for name in (*folders, *files):
            path = Path(parent, name)
            try:
                info = path.lstat()
            except FileNotFoundError:
                continue
            if not stat.S_ISLNK(info.st_mode):
                yield path, info


def _some(paths: list[Path]) -> str:
    rest = len(paths) - SHOWN
    return ", ".join(map(str, paths[:SHOWN])) + (f" and {rest} more" if rest > 0 else "")


def disk(subject: Subject) -> Iterator[Finding]:
    """Where the database lies when it was put elsewhere, and how much room is left."""
    database = subject.settings.database
    home = _existing(database.parent)
    if (kind := filesystem(home)) in NETWORK_FILESYSTEMS:
        yield Finding("disk", FAIL, f"the database {database} is on a network file system ({kind})",
                      "locks and SQLite are not safe there", "set VLLM_STUDIO_DB_PATH to a file on a local disk")
    info = os.statvfs(home)
    free = info.f_bavail * info.f_frsize
    level = OK if free >= SPACE_WARN else WARN if free >= SPACE_FAIL else FAIL
    yield Finding("disk", level, f"{free / GIB:.1f} GiB free for the state directory",
                  *(() if level == OK else ("without room nothing is stored or started", "make room on that disk")))


def _existing(path: Path) -> Path:
    """The path or the nearest folder above it that is there."""
    return next(one for one in (path, *path.parents) if one.exists())
