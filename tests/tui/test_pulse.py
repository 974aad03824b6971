"""The one tick: slow by itself, soon when somebody hurries it, never too close."""

from __future__ import annotations

import asyncio
import time

from studio_tui.pulse import TICK_S, Pulse
from tests.wait import eventually

LONG_S = 60.0
# A beat comes to its clock later than it was due, where others have the processor; the next one may be on time.
NEVER_CLOSER_S = TICK_S / 2


class Heart:
    def __init__(self, pace: float) -> None:
        self.pace = pace
        self.beats: list[float] = []
        self.pulse = Pulse(self.beat, lambda: self.pace)

    async def beat(self) -> None:
        self.beats.append(time.monotonic())
        if len(self.beats) == 1:
            # What is wanted during a beat is not forgotten.
            self.pulse.hurry()


async def test_it_waits_for_its_pace_unless_it_is_hurried() -> None:
    heart = Heart(LONG_S)
    task = asyncio.create_task(heart.pulse.run())
    await asyncio.sleep(TICK_S * 1.5)
    assert heart.beats == []
    for _ in range(20):
        heart.pulse.hurry()
    await eventually(lambda: len(heart.beats) == 2)
    assert heart.beats[1] - heart.beats[0] > NEVER_CLOSER_S
    task.cancel()


async def test_a_delay_is_kept_and_the_earliest_one_counts() -> None:
    heart = Heart(LONG_S)
    heart.beats.append(0.0)
    task = asyncio.create_task(heart.pulse.run())
    began = time.monotonic()
    heart.pulse.hurry(LONG_S)
    heart.pulse.hurry(TICK_S * 2)
    await eventually(lambda: len(heart.beats) == 2)
    assert heart.beats[1] - began > TICK_S * 1.9
    task.cancel()


async def test_by_itself_it_beats_at_its_pace() -> None:
    heart = Heart(TICK_S)
    heart.beats.append(0.0)
    task = asyncio.create_task(heart.pulse.run())
    await eventually(lambda: len(heart.beats) == 4)
    assert all(later - earlier > NEVER_CLOSER_S for earlier, later in zip(heart.beats[1:], heart.beats[2:], strict=False))
    task.cancel()
