"""Foreign engines that the gateway serves: kept in a file (0600, it holds their keys) by the identity of their process."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from studio_core.supervisor import identity
from studio_core.supervisor.identity import ProcessId


@dataclass(frozen=True, slots=True)
class Attachment:
    """`name` is its public name, `model` the one that the engine itself knows. `host` and `port` were proven when it was made."""

    process: ProcessId
    name: str
    engine: str
    model: str
    host: str
    port: int
    key: str = ""

    @property
    def alive(self) -> bool:
        """Whether that very process runs: of this machine, boot and pid namespace."""
        here, one = identity.here(os.getpid()), self.process
        same = (one.machine, one.boot, one.pidns) == (here.machine, here.boot, here.pidns)
        return same and identity.alive(one.pid, one.ticks)

    @property
    def instance(self) -> str:
        """As the gateway counts its requests; no instance of ours is named like that."""
        return f"foreign:{self.process.pid}:{self.process.ticks}"


def read(path: Path) -> list[Attachment]:
    """What is on disk, without those that cannot be read."""
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    known = {one.name for one in fields(Attachment)}
    found = []
    for row in rows if isinstance(rows, list) else ():
        try:
            process = ProcessId(**row["process"])
            found.append(Attachment(**{name: row[name] for name in known & set(row) if name != "process"}, process=process))
        except (TypeError, KeyError):
            continue
    return found


def write(path: Path, found: Iterable[Attachment]) -> None:
    """All of them, at once. Raises OSError; the file then is as it was."""
    fresh = path.with_suffix(".new")
    try:
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump([{**asdict(one), "process": one.process._asdict()} for one in found], file)
        fresh.replace(path)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise
