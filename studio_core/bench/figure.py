"""A measured figure beside its aim, and how two things are measured side by side."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

ROUNDS = 5
# A figure is met when it is within 10 % of its aim.
TOLERANCE = 1.1


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table.

    `aim` is the most that the value may be, in the same unit, or with `least` the least; None where it is shown only.
    """

    name: str
    value: float
    unit: str
    aim: float | None = None
    note: str = ""
    least: bool = False

    @property
    def met(self) -> bool:
        if self.aim is None:
            return True
        return self.value >= self.aim / TOLERANCE if self.least else self.value <= self.aim * TOLERANCE


def interleaved(*measures: Callable[[], float], rounds: int = ROUNDS) -> list[float]:
    """The median of each measure over `rounds` rounds, in each of which every measure has its turn.

    A first round is thrown away: it fills caches that the others find full.
    """
    for measure in measures:
        measure()
    turns = [[measure() for measure in measures] for _ in range(rounds)]
    return [median(values) for values in zip(*turns, strict=True)]
