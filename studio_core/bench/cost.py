"""What processes cost: processor time and memory, from /proc (proc(5))."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

from studio_core.supervisor.identity import stat_fields

TICK_S = 1.0 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Cost:
    """Processor seconds since the start, resident and proportional memory in bytes. Proportional: shared pages divided
    by the number of processes that share them, so that a sum over processes counts each page once."""

    cpu_s: float
    rss: int
    pss: int


def cost(pid: int) -> Cost:
    """What a process has cost so far. Raises ProcessLookupError when it is gone."""
    fields = stat_fields(pid)
    if fields is None:
        raise ProcessLookupError(pid)
    sizes = _sizes(pid)
    return Cost((int(fields[11]) + int(fields[12])) * TICK_S, sizes.get("Rss", 0), sizes.get("Pss", 0))


def total(pids: Iterable[int]) -> Cost:
    """The sum over several processes."""
    each = [cost(pid) for pid in pids]
    return Cost(sum(one.cpu_s for one in each), sum(one.rss for one in each), sum(one.pss for one in each))


def _sizes(pid: int) -> dict[str, int]:
    try:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
            lines = file.read().splitlines()[1:]
    except OSError as error:
        raise ProcessLookupError(pid) from error
    rows = (line.split() for line in lines)
    return {row[0].rstrip(":"): int(row[1]) * 1024 for row in rows if len(row) == 3}
