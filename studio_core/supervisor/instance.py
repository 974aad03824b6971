"""The life of one engine as a state machine: pure, no I/O.

starting → (downloading) → loading → ready ⇄ sleeping → draining → stopping → cleaning → gone
failed and stuck keep their claim on port and memory until the residue is gone or a person releases it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

STARTING, DOWNLOADING, LOADING, READY = "starting", "downloading", "loading", "ready"
SLEEPING, DRAINING, STOPPING, CLEANING = "sleeping", "draining", "stopping", "cleaning"
GONE, FAILED, STUCK = "gone", "failed", "stuck"

COMING = frozenset({STARTING, DOWNLOADING, LOADING})
ALIVE = COMING | {READY, SLEEPING, DRAINING}
LEAVING = frozenset({STOPPING, CLEANING})


@dataclass(frozen=True, slots=True)
class Life:
    """Where an instance is. `claims`: its port and memory are not free for others. `asked`: somebody stops it."""

    state: str = STARTING
    claims: bool = True
    asked: bool = False

    @property
    def coming(self) -> bool:
        return self.state in COMING

    @property
    def alive(self) -> bool:
        return self.state in ALIVE


def _from(states: frozenset[str], target: str) -> Mapping[str, str]:
    return dict.fromkeys(states, target)


# What may happen → from which state to which. What is not in a row is ignored: it came too late.
EVENTS: Mapping[str, Mapping[str, str]] = {
    "downloads": {STARTING: DOWNLOADING, LOADING: DOWNLOADING},
    "loads": {STARTING: LOADING, DOWNLOADING: LOADING},
    "ready": _from(COMING, READY),
    "sleeps": {READY: SLEEPING, DRAINING: SLEEPING},
    "wakes": {SLEEPING: READY},
    "drain": {READY: DRAINING},
    "undrain": {DRAINING: READY},
    "stop": _from(ALIVE | {STUCK}, STOPPING),
    "exits": {STOPPING: CLEANING, **_from(ALIVE, FAILED)},
    "gives up": _from(COMING, FAILED),
    "unkillable": {STOPPING: STUCK, CLEANING: STUCK, FAILED: STUCK},
    "clean": {STOPPING: GONE, CLEANING: GONE, STUCK: GONE, FAILED: FAILED, **_from(ALIVE, FAILED)},
    "release": {FAILED: FAILED, STUCK: GONE},
}


def advance(life: Life, event: str) -> Life:
    """The life after `event`; the same life when the event means nothing in its state."""
    target = EVENTS[event].get(life.state)
    if target is None:
        return life
    asked = life.asked or event == "stop"
    claims = life.claims and event not in ("clean", "release")
    return replace(life, state=target, asked=asked, claims=claims)
