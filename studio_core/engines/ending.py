"""How long an engine that still loads is waited for when it is told to stop, where that is not the recipe's grace.

A start has no request to finish and nothing to save. An engine that hears SIGTERM while it loads ends well before this; one
that does not would only hold the next model up.
"""

from __future__ import annotations

from collections.abc import Mapping

# Seen with vLLM 0.32.0 (tests/engines/recorded): before it has an engine process SIGTERM ends it within 0.5 s, later it swallows
# it for good and comes up ready; SIGINT ends it only when the load is over; SIGTERM to the group leaves the front waiting.
LOADING_S: Mapping[str, float] = {"vllm": 3.0}


def grace(engine: str, chosen: float, loading: bool) -> float:
    """Seconds from SIGTERM to SIGKILL; never more than what was chosen."""
    return min(chosen, LOADING_S.get(engine, chosen)) if loading else chosen
