"""Installing an engine, as a job of its own: it goes on when the controller ends, and any controller can tell of it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from studio_core import wire
from studio_core.engines.install import INSTEAD, REQUIREMENTS, keep
from studio_core.errors import BadValue, Conflict, NotFound
from studio_core.paths import Places, daemon_environment
from studio_core.recipes.backend import named
from studio_core.supervisor import identity

MODULE = "studio_core.engines.install"


class Jobs:
    """One per engine. What is known of it is its record: pid and start ticks while it runs, its exit code afterwards."""

    def __init__(self, places: Places) -> None:
        self._places = places
        # Kept so that they are reaped; who started one and died leaves that to init.
        self._children: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, engine: str, version: str = "") -> wire.Job:
        """Build the engine's managed environment.

        Raises:
            BadValue: an engine that is not installed by pip. Conflict: it is being installed.
        """
        if engine not in REQUIREMENTS:
            hint = INSTEAD.get(named(engine), f"Studio installs {', '.join(REQUIREMENTS)}")
            raise BadValue(f"{engine[:40]} is not installed by Studio", "", hint)
        if version and not version.replace(".", "").replace("+", "").isalnum():
            raise BadValue(f"{version[:40]!r} is not a version", "", "write it like 0.33.0")
        if self.running(engine):
            raise Conflict(f"{engine} is being installed", "", f"follow it: studio logs install-{engine} -f")
        record = self._record(engine)
        record.unlink(missing_ok=True)
        argv = [sys.executable, "-m", MODULE, engine, str(record), *(["--version", version] if version else [])]
        with self.log(engine).open("wb") as log:
            self.log(engine).chmod(0o600)
            child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd="/",
                                     env=daemon_environment())
        self._children[engine] = child
        told = {"engine": engine, "version": version, "pid": child.pid, "ticks": identity.ticks(child.pid) or 0}
        keep(record, told)
        return self._shown(engine)

    def cancel(self, engine: str) -> wire.Job:
        """End it and what it started; the environment that was there before stays. NotFound when none runs."""
        if not self.running(engine):
            raise NotFound(f"{engine[:40]} is not being installed", "", "see: studio engines")
        told = self._told(engine)
        if identity.alive(told["pid"], told["ticks"]):
            # It leads a session of its own: pip and what pip starts are in its group.
            os.killpg(told["pid"], signal.SIGTERM)
        return self._shown(engine)

    def list(self) -> list[wire.Job]:
        """Of every engine that was ever installed here."""
        return [self._shown(engine) for engine in REQUIREMENTS if self._record(engine).exists()]

    def running(self, engine: str) -> bool:
        return self._shown(engine).state == "running"

    def log(self, engine: str) -> Path:
        return self._places.logs / f"install-{engine}.log"

    def _record(self, engine: str) -> Path:
        return self._places.logs / f"install-{engine}.json"

    def _told(self, engine: str) -> dict[str, Any]:
        with contextlib.suppress(OSError, ValueError):
            found: dict[str, Any] = json.loads(self._record(engine).read_text(encoding="utf-8"))
            return found
        return {}

    def _shown(self, engine: str) -> wire.Job:
        child = self._children.get(engine)
        runs = child is not None and child.poll() is None
        # Read after the look: what ended has written its code by then.
        told = self._told(engine)
        if runs:
            state = "running"
        elif told.get("code") == 0:
            state = "done"
        elif "code" not in told and told and identity.alive(told["pid"], told["ticks"]):
            state = "running"
        else:
            state = "failed" if told else "none"
        return wire.Job(engine=engine, version=told.get("version", ""), state=state, code=told.get("code"),
                        log_file=f"/logs/install-{engine}")
