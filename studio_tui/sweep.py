"""When garbage is looked for: a walk over all that the app holds takes as long as several frames, so it waits for a calm moment."""

from __future__ import annotations

import contextlib
import gc

# Young objects are looked through as ever, only in larger lots; Python would walk over everything at any time.
YOUNG, MIDDLE, NEVER = 1_000, 10, 1 << 30
# Nobody has pressed a key for so long.
CALM_S = 2.0
# Lots of middle-aged objects that have grown old since the last walk: worth one in a calm moment, and worth one at once.
DUE, OVERDUE = 2, 20
# mallopt(3): threads share the heap of the main one and a second one; each with its own would keep what all once needed.
ARENA_MAX, ARENAS = -8, 2


def begin() -> None:
    """What was made before the first frame, while nothing was looked for, stays: it is not looked through any more."""
    if gc.isenabled():
        return
    gc.freeze()
    gc.set_threshold(YOUNG, MIDDLE, NEVER)
    gc.enable()


def due(lots: int, calm_s: float) -> bool:
    """Whether to walk now, with so many lots waiting and nobody pressing a key for so long."""
    return lots >= (DUE if calm_s >= CALM_S else OVERDUE)


def sweep(calm_s: float) -> bool:
    """Look through everything if it is time to, and give back what was free; says whether it was."""
    found = due(gc.get_count()[2], calm_s)
    if found:
        gc.collect()
        _allocator("malloc_trim", 0)
    return found


def frugal() -> None:
    """For the allocator of the C library, where it has such switches; before there are many threads."""
    _allocator("mallopt", ARENA_MAX, ARENAS)


def _allocator(name: str, *given: int) -> None:
    import ctypes

    with contextlib.suppress(OSError, AttributeError, TypeError):
        getattr(ctypes.CDLL(None), name)(*given)
