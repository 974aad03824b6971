"""One attempt to get a recipe running, as a state machine: pure, no I/O.

planned → waiting (for who must leave, or memory) → starting → ready | failed | cancelled | superseded
"""

from __future__ import annotations

from collections.abc import Mapping

PLANNED, WAITING, STARTING = "planned", "waiting", "starting"
READY, FAILED, CANCELLED, SUPERSEDED = "ready", "failed", "cancelled", "superseded"
OVER = frozenset({READY, FAILED, CANCELLED, SUPERSEDED})

# Who asked: a person may displace, the gateway's acquire queues, joins or is refused. A restart of what crashed displaces nobody,
# and while it pauses everybody goes before it.
PERSON, ACQUIRE, RESTART = "person", "acquire", "restart"

STEPS: Mapping[str, frozenset[str]] = {
    PLANNED: frozenset({WAITING, STARTING, FAILED, CANCELLED, SUPERSEDED}),
    WAITING: frozenset({STARTING, FAILED, CANCELLED, SUPERSEDED}),
    STARTING: frozenset({READY, FAILED, CANCELLED, SUPERSEDED}),
    **dict.fromkeys(OVER, frozenset()),
}

# The same in the words of vLLM Studio's `stage`.
STAGES: Mapping[str, str] = {
    PLANNED: "preempting",
    WAITING: "evicting",
    STARTING: "waiting",
    READY: "ready",
    FAILED: "error",
    CANCELLED: "cancelled",
    SUPERSEDED: "cancelled",
}


def step(state: str, target: str) -> str:
    """The state after an attempt to move to `target`: a launch that is over stays as it ended."""
    return target if target in STEPS[state] else state
