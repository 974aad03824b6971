"""Whether a start still makes progress, and how long it is waited for."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from typing import Any

from studio_core.settings import Settings
from studio_core.supervisor import memory

# Memory, or bytes read, that grew by this much since the last progress are progress.
GROWTH_BYTES = 16 * 1024 * 1024


class Patience:
    """With one start. `no_progress_s` and `start_ceiling_s` are its recipe's, else the settings'."""

    def __init__(self, recipe: Mapping[str, Any], settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._silent_s = recipe.get("no_progress_s") or settings.no_progress_s
        self._ceiling_s = recipe.get("start_ceiling_s") or settings.start_ceiling_s
        self._moved = self._born = clock()
        self._usage = memory.Usage()

    def moved(self) -> None:
        """Its output went on."""
        self._moved = self._clock()

    def notice(self, processes: Collection[tuple[int, int]]) -> None:
        """Memory that grows and bytes that are read are progress, also of an engine that prints nothing for minutes."""
        usage = memory.usage(processes)
        if usage.outgrew(self._usage, GROWTH_BYTES):
            self._moved, self._usage = self._clock(), usage

    def over(self) -> str | None:
        """Why the start is given up, once it is."""
        now = self._clock()
        if now - self._born > self._ceiling_s:
            return f"not ready after {self._ceiling_s:.0f} s in all"
        if now - self._moved > self._silent_s:
            return f"no progress for {self._silent_s:.0f} s"
        return None
