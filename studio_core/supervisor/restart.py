"""Whether an engine that ended by itself is started again, and when: pure decisions over what is known of its end.

The rules are systemd's where they can be (`Restart=`, systemd.service(5)): what a signal for orderly ends stopped counts as clean.
"""

from __future__ import annotations

import signal
from dataclasses import dataclass

NEVER, ON_FAILURE, ALWAYS = "never", "on-failure", "always"
CLEAN_SIGNALS = frozenset({signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGPIPE})
# Pauses grow 1, 2, 4 ... times the first, to this.
LONGEST = 60


@dataclass(frozen=True, slots=True)
class Policy:
    """`pause_s` is the first pause, `reset_s` the service after which earlier ends count no more."""

    mode: str = NEVER
    limit: int = 0
    pause_s: float = 1.0
    reset_s: float = 600.0


@dataclass(frozen=True, slots=True)
class Ending:
    """How an engine ended that nobody stopped. `restarts` in a row had led to it; `served_s` is None if it never was ready.

    Neither `code` nor `signal`: unknown, which is no clean end.
    """

    restarts: int
    served_s: float | None
    code: int | None = None
    signal: int | None = None

    @property
    def clean(self) -> bool:
        return self.code == 0 or self.signal in CLEAN_SIGNALS


@dataclass(frozen=True, slots=True)
class Turn:
    """The next try: the `number`th of at most `limit` in a row, `pause_s` after the end."""

    number: int
    limit: int
    pause_s: float


def decide(policy: Policy, ending: Ending) -> Turn | None:
    """The next try, or None: it stays as it ended, and the next launch or request starts it.

    A first start that fails is nobody's crash: whoever asked for it reads why.
    """
    if policy.mode == NEVER or (policy.mode == ON_FAILURE and ending.clean):
        return None
    if ending.served_s is None and not ending.restarts:
        return None
    before = 0 if (ending.served_s or 0.0) >= policy.reset_s else ending.restarts
    if before >= policy.limit:
        return None
    return Turn(before + 1, policy.limit, policy.pause_s * min(2.0 ** min(before, 64), LONGEST))
