"""From an engine's output to progress, whatever the boundaries of its chunks."""

from __future__ import annotations

import re

from studio_core import wire
from studio_core.engines.engine import Engine

# Enough of an unfinished line to match a milestone once the rest has come.
REST_BYTES = 4096
_LINE_END = re.compile(rb"[\r\n]")


class MilestoneReader:
    """Feed it the output in order; it answers when the start has come further."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._percent = -1.0
        self._rest = b""

    def feed(self, data: bytes) -> wire.Progress | None:
        """The progress after these bytes when a milestone further on was among them, else None."""
        *lines, rest = _LINE_END.split(self._rest + data)
        self._rest = rest[-REST_BYTES:]
        found = None
        for line in lines:
            for milestone in self._engine.milestones:
                if milestone.percent > self._percent and milestone.pattern.search(line):
                    self._percent = milestone.percent
                    found = wire.Progress(stage=milestone.stage, percent=milestone.percent)
        return found
