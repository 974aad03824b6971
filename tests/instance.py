"""One shim with its engine in a state directory, without a controller."""

from __future__ import annotations

import json
import os
import secrets
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from studio_core.logs.reader import LogFolder
from studio_core.paths import Places
from studio_core.supervisor import identity, port, tree
from studio_core.supervisor import record as records
from studio_core.supervisor import spec as specs
from studio_core.supervisor.record import Record
from studio_core.supervisor.shim_link import ShimLink, start
from tests import free
from tests.wait import PATIENCE_S, eventually

SCRIPT = Path(__file__).parent / "engines" / "scripted.py"


class Instance:
    """The scripted engine with `switches`, or whatever `argv` is. Its id is its own: others run tests on this machine."""

    def __init__(
        self, places: Places, argv: list[str] | None = None, log_bytes: int = 4096, stop_command: Sequence[str] = (),
        **switches: Any,
    ) -> None:
        self.id = f"one-{secrets.token_hex(4)}"
        self.folder = places.instance(self.id)
        self.log = LogFolder(self.folder / "log")
        self.link = ShimLink(self.folder)
        self.port = free.port()
        self.spec = specs.new(
            instance=self.id, recipe_id="one", launch_id="l-1",
            argv=argv or [sys.executable, str(SCRIPT), "--port", str(self.port)],
            env={"PATH": os.environ["PATH"], tree.MARK: self.id, "SCRIPT": json.dumps(switches), "LLAMA_API_KEY": "k"},
            cwd="/", host="127.0.0.1", port=self.port, api_key="k", grace_s=1.0, engine="llamacpp", served_names=["one"],
            recipe={}, stop_command=list(stop_command), log_head_bytes=log_bytes, log_segment_bytes=log_bytes, log_segments=2,
        )
        self._places = places

    @property
    def record(self) -> Record:
        """What is on disk."""
        found = records.read(self.folder)
        assert found is not None
        return found

    async def start(self, count: int = 1) -> Record:
        """Until all of its `count` processes are known to the record."""
        await start(self._places, self.spec)
        await eventually(lambda: len(self.record.seen) >= count, what=f"{count} processes seen")
        return self.record

    async def listening(self) -> None:
        await eventually(lambda: port.holder(self.port), what="it listens, so its handlers stand")

    async def gone(self, timeout: float = PATIENCE_S) -> Record:
        """Until the shim says that nothing is left."""
        await eventually(lambda: self.record.state == records.GONE, timeout, "the record says gone")
        await eventually(lambda: not records.is_locked(self.folder), what="the shim ends")
        return self.record

    def members(self) -> list[tuple[int, int]]:
        """(pid, ticks) of everything that runs of it, without the shim."""
        return [(one.pid, one.ticks) for one in tree.members(self.id, self.record)]


def living(found: list[tuple[int, int]]) -> list[tuple[int, int]]:
    return [one for one in found if identity.alive(*one)]
