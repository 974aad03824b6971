"""When an app has done what a key led to: its queues are empty and its calls are answered.

Textual's pilot waits until the process is idle instead. Beside other work it never is, and each key costs the pilot's two seconds.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from unittest.mock import patch

from textual.pilot import Pilot, WaitForScreenTimeout

# An answer that does not come in this time is not waited for: some tests hold one back.
ANSWER_S = 1.0
PAUSE_S = 0.005
# A message may lead to another one, that to a redraw, and that to a widget which is made anew.
ROUNDS = 3


@contextmanager
def settling(pilot: Pilot[None]) -> Iterator[None]:
    """While it lasts the pilot waits for the app, not for the process."""
    async def settled(*_: float) -> None:
        await settle(pilot)

    with patch("textual.app.wait_for_idle", settled), patch("textual.pilot.wait_for_idle", settled):
        yield


async def settle(pilot: Pilot[None]) -> None:
    deadline = time.monotonic() + ANSWER_S
    await _emptied(pilot)
    while _calls() and time.monotonic() < deadline:
        await asyncio.sleep(PAUSE_S)
        if not _calls():
            await _emptied(pilot)


async def _emptied(pilot: Pilot[None]) -> None:
    for _ in range(ROUNDS):
        with suppress(WaitForScreenTimeout):
            await pilot._wait_for_screen(ANSWER_S)


def _calls() -> bool:
    """Whether a call of the bridge is under way."""
    return any(one.name == "call" for one in threading.enumerate())
