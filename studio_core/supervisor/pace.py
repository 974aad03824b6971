"""The clock of one start: when each mark of its output came, and what that means for the rest."""

from __future__ import annotations

import time
from collections.abc import Sequence

from studio_core import wire
from studio_core.engines import forecast
from studio_core.engines.forecast import Start


class Pace:
    """Of an instance that this controller started; of one that it found half way nothing is known.

    `took_s` is the time to ready, None before. `expect` gives it the earlier starts of its recipe.
    """

    def __init__(self, shape: str) -> None:
        self.shape, self.cache, self.version = shape, "", ""
        self.marks: dict[str, float] = {}
        self.took_s: float | None = None
        self._began = time.monotonic()
        self._counts = False
        self._reached_s = 0.0
        self._starts: Sequence[Start] = ()

    def begin(self) -> None:
        """Now the engine is started."""
        self._began, self._counts = time.monotonic(), True

    def expect(self, starts: Sequence[Start]) -> None:
        self._starts = starts

    def note(self, passed: Sequence[str], version: str) -> None:
        """The output came as far as these marks."""
        self.version = version
        for name in passed[len(self.marks):]:
            self.marks[name] = self._reached_s = self._now()

    def ready(self) -> None:
        self.took_s = self._now() if self._counts and self.took_s is None else self.took_s

    def start(self) -> Start | None:
        """What to remember of it, once it was ready."""
        if self.took_s is None:
            return None
        return Start(self.took_s, dict(self.marks), self.shape, self.version, self.cache)

    def outlook(self, progress: wire.Progress) -> wire.Progress:
        """The progress with what is left, where that can be said."""
        if not self._counts or self.took_s is not None:
            return progress
        starts = forecast.alike(self._starts, self.shape, self.cache, self.version)
        found = forecast.outlook(starts, self.marks, self._now()) or forecast.by_table(progress, self._reached_s, self._now())
        if found is None:
            return progress
        return wire.Progress(
            stage=progress.stage, percent=progress.percent, message=progress.message,
            eta_s=round(found.left_s, 1), total_s=round(found.total_s, 1),
        )

    def _now(self) -> float:
        return time.monotonic() - self._began
