"""Interpreter and libraries with known faults."""

from __future__ import annotations

import importlib.metadata
import re
import sqlite3
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from studio_core.doctor.finding import FAIL, OK, WARN, Finding
from studio_core.doctor.subject import Subject

Version = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Fault:
    """`fixed`: branch → its first release without the fault. Branches that are not named never had it."""

    name: str
    what: str
    fixed: Mapping[tuple[int, int], int]

    def strikes(self, version: Version) -> bool:
        return version[2] < self.fixed.get((version[0], version[1]), 0)


# From the advisories of the Python Software Foundation (mailing list security-announce).
PYTHON = (
    Fault("CVE-2023-24329", "blanks before an address get around checks of its scheme", {(3, 11): 4}),
    Fault("CVE-2023-6597", "removing a temporary folder can change the mode of files that links in it point to",
          {(3, 11): 8, (3, 12): 1}),
    Fault("CVE-2024-12254", "asyncio buffers without bound for a client that reads slowly", {(3, 12): 9, (3, 13): 2}),
)
# The WAL-reset fault, sqlite.org/changes.html: 3.7.0 to 3.51.2, repaired in these branches too.
WAL_FIRST, WAL_FIXED = (3, 7, 0), (3, 51, 3)
WAL_BRANCHES: Mapping[tuple[int, int], int] = {(3, 50): 7, (3, 44): 6}
# The oldest releases without known vulnerabilities that reach us.
FLOORS: Mapping[str, Version] = {"starlette": (1, 3, 1), "h11": (0, 16, 0), "mcp": (2, 2, 0), "psutil": (7, 0, 1)}


def python(subject: Subject) -> Iterator[Finding]:
    version = tuple(sys.version_info[:3])
    found = [fault for fault in PYTHON if fault.strikes(version)]
    for fault in found:
        yield Finding("python", WARN, f"Python {dotted(version)} has {fault.name}", fault.what,
                      f"a later {version[0]}.{version[1]} of Python; distributions may have repaired theirs under the old number")
    if not found:
        yield Finding("python", OK, f"Python {dotted(version)}")


def sqlite(subject: Subject) -> Iterator[Finding]:
    version = sqlite3.sqlite_version_info
    if wal_fault(version):
        yield Finding(
            "sqlite", WARN, f"SQLite {dotted(version)} can damage a database with several writers (WAL reset)",
            "Studio writes through one connection only, which avoids it",
            "write to controller.db with no other program while Studio runs; SQLite 3.51.3 or later has no such fault",
        )
    else:
        yield Finding("sqlite", OK, f"SQLite {dotted(version)}")


def wal_fault(version: Version) -> bool:
    repaired = WAL_BRANCHES.get((version[0], version[1]))
    return WAL_FIRST <= version < WAL_FIXED and not (repaired is not None and version[2] >= repaired)


def libraries(subject: Subject) -> Iterator[Finding]:
    good = True
    for name, floor in FLOORS.items():
        try:
            text = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        if parsed(text) < floor:
            good = False
            yield Finding("libraries", FAIL, f"{name} {text} has known vulnerabilities", f"repaired in {dotted(floor)}",
                          f"pip install --upgrade '{name}>={dotted(floor)}'")
    if good:
        yield Finding("libraries", OK, "no library is older than its last known vulnerability")


def parsed(text: str) -> Version:
    """The numbers a version begins with."""
    found = re.match(r"\d+(\.\d+)*", text)
    return tuple(map(int, found.group().split("."))) if found else ()


def dotted(version: Version) -> str:
    return ".".join(map(str, version))
