"""Why recipes did not start: for a while their requests are answered with the cause instead of starting them again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from studio_core import wire

# After a failed start the gateway's requests get the cause for this long before one may try again.
RETRY_S = 10.0


class Setbacks:
    """By recipe. `changed()` is called when one begins, and when its time is over."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._all: dict[str, tuple[float, wire.Failure]] = {}

    def of(self, recipe_id: str) -> wire.Failure | None:
        at, failure = self._all.get(recipe_id, (0.0, None))
        return failure if time.monotonic() - at < RETRY_S else None

    def note(self, recipe_id: str, failure: wire.Failure) -> None:
        self._all[recipe_id] = (time.monotonic(), failure)
        # The route opens for a new try when the time is over.
        asyncio.get_running_loop().call_later(RETRY_S, self._changed)
        self._changed()

    def forget(self, recipe_id: str) -> None:
        self._all.pop(recipe_id, None)

    def forget_all(self, code: str) -> None:
        """Those of one kind of error: what caused them is gone."""
        self._all = {name: (at, one) for name, (at, one) in self._all.items() if one.code != code}
