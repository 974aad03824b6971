"""A key is pressed as soon as the app waits for it: what the pilot looks at, processor time, says little on a busy machine."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

# Turns of the loop in which nothing was ready to run.
CALM = 3
PATIENCE_S = 2.0


async def app_idle(min_sleep: float = 0.0, max_sleep: float = PATIENCE_S) -> None:
    """Until nothing of the app is ready to run and no call of its bridge is under way."""
    loop, end, calm = asyncio.get_running_loop(), time.monotonic() + PATIENCE_S, 0
    while calm < CALM and time.monotonic() < end:
        await asyncio.sleep(0)
        if any(one.name == "call" for one in threading.enumerate()):
            await asyncio.sleep(0.002)
            calm = 0
        else:
            calm = 0 if loop._ready else calm + 1  # type: ignore[attr-defined]


@pytest.fixture(autouse=True)
def prompt_pilot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("textual.app.wait_for_idle", app_idle)
    monkeypatch.setattr("textual.pilot.wait_for_idle", app_idle)
