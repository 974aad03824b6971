"""The logs there are: one per engine that runs or ran, and one per daemon. Names never lead out of their folders."""

from __future__ import annotations

import contextlib
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from studio_core import wire
from studio_core.engines.install import REQUIREMENTS
from studio_core.errors import Conflict, NotFound
from studio_core.logs.reader import LogFolder
from studio_core.paths import Places
from studio_core.supervisor import spec as specs
from studio_core.supervisor.job import Jobs

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}\Z")
DAEMONS = ("controller", "gateway", "probe")
INSTALLATIONS = tuple(f"install-{engine}" for engine in REQUIREMENTS)


def recipe_of(log_id: str) -> str:
    """The recipe of an instance by its id, `<recipe>-<hex>`: an engine that is gone has no spec any more."""
    return "" if log_id in (*DAEMONS, *INSTALLATIONS) else log_id.rpartition("-")[0]


@dataclass(frozen=True, slots=True)
class Log:
    """One log: where it lies and whether it may still grow. Its generation is the inode: a new file is a new log."""

    id: str
    path: Path
    live: bool

    @property
    def reader(self) -> LogFolder:
        return LogFolder(self.path)

    @property
    def generation(self) -> int:
        with contextlib.suppress(FileNotFoundError):
            return self.path.stat().st_ino
        return 0


class Logbook:
    def __init__(self, places: Places) -> None:
        self._places = places

    def find(self, log_id: str) -> Log:
        """Raises NotFound."""
        if NAME.match(log_id):
            for log in self._candidates(log_id):
                if log.path.exists() or self._begins(log):
                    return log
        raise NotFound(f"no log {log_id[:200]}", "", "see: GET /logs")

    def _candidates(self, log_id: str) -> Iterator[Log]:
        if log_id in DAEMONS:
            yield Log(log_id, self._places.logs / f"{log_id}.log", True)
        if log_id in INSTALLATIONS:
            yield Log(log_id, self._places.logs / f"{log_id}.log", Jobs(self._places).running(log_id.removeprefix("install-")))
        yield Log(log_id, self._places.instance(log_id) / "log", True)
        yield Log(log_id, self._places.history / log_id / "log", False)

    def _begins(self, log: Log) -> bool:
        """An instance that is there has a log, also before its shim has begun to write one."""
        return log.path.parent == self._places.instance(log.id) and log.path.parent.is_dir()

    def list(self) -> list[wire.LogFile]:
        """The newest first."""
        names = [*DAEMONS, *INSTALLATIONS]
        for folder in (self._places.instances, self._places.history):
            names += [one.name for one in folder.iterdir() if NAME.match(one.name)]
        found = []
        for name in dict.fromkeys(names):
            with contextlib.suppress(NotFound, FileNotFoundError):
                found.append(self._shown(self.find(name)))
        return sorted(found, key=lambda log: log.modified_at, reverse=True)

    def _shown(self, log: Log) -> wire.LogFile:
        newest = max((file.stat().st_mtime for _, file in log.reader.segments()), default=log.path.parent.stat().st_mtime)
        at = datetime.fromtimestamp(newest, UTC).isoformat()
        shown = wire.LogFile(
            id=log.id, name=log.id, recipe_id=recipe_of(log.id), size=log.reader.size, modified_at=at, created_at=at, live=log.live,
            status="running" if log.live else "stopped",
        )
        with contextlib.suppress(OSError, ValueError):
            spec = specs.read(log.path.parent)
            shown.recipe_id, shown.backend, shown.created_at = spec.recipe_id, spec.engine, spec.created_at
            shown.name = shown.recipe_name = spec.recipe.get("name") or spec.recipe_id
            shown.model_path, shown.model = spec.recipe.get("model_path"), next(iter(spec.served_names), None)
        return shown

    def delete(self, log_id: str) -> None:
        """Delete the log of an engine that is gone. Raises NotFound, or Conflict for one that may still grow."""
        log = self.find(log_id)
        if log.live:
            raise Conflict(f"the log {log_id} is still written", "", "stop the engine first")
        if log_id in INSTALLATIONS:
            log.path.unlink()
        else:
            shutil.rmtree(log.path.parent)
