"""What is examined: one state directory on this machine, by what lies on disk and by what answers."""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from studio_core import daemon, wire
from studio_core.client import Client
from studio_core.errors import StudioError
from studio_core.paths import Places
from studio_core.settings import Settings

ANSWER_S = 3.0


@dataclass(frozen=True)
class Subject:
    """Nothing here starts or changes anything. `root` is where the machine's own files begin."""

    settings: Settings
    environ: Mapping[str, str]
    root: Path = Path("/")

    @property
    def places(self) -> Places:
        return Places(self.settings.state_dir)

    @cached_property
    def user(self) -> str:
        try:
            return pwd.getpwuid(os.getuid()).pw_name
        except KeyError:
            return str(os.getuid())

    @cached_property
    def controller(self) -> dict[str, Any] | None:
        """`controller.json` of a controller that lives."""
        return daemon.running(self.places)

    @cached_property
    def status(self) -> wire.Status | None:
        """What the controller says; None when there is none or it is silent."""
        if self.controller is None:
            return None
        try:
            return Client(self.places.control_socket, patience=ANSWER_S).status()
        except StudioError:
            return None

    @cached_property
    def own_pids(self) -> frozenset[int]:
        """Our daemons and engines: whoever of them holds a port holds it rightly."""
        if self.status is None:
            return frozenset()
        engines = [one.engine_pid for one in self.status.instances]
        return frozenset(filter(None, [self.status.controller.pid, self.status.gateway.pid, *engines]))
