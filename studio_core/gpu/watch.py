"""Keeps a probe running and its newest sample at hand; a probe that hangs or dies is replaced."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime

import msgspec

from studio_core import wire
from studio_core.paths import Places, daemon_environment
from studio_core.settings import Settings

MB = 1024 * 1024
# While nobody looks, samples come this slowly.
IDLE_S = 10.0
LOOK_S = 15.0
# A sample that is later than its interval by this much is overdue: the probe hangs.
OVERDUE_S = 3.0
RESTART_S, RESTART_MAX_S = 0.5, 30.0
LINE_BYTES = 4 * MB

_samples = msgspec.json.Decoder(wire.Gpus)


class GpuWatch:
    """`on_sample` is told of each sample; `owner(pid)` names the instance of a process on a GPU, or None."""

    def __init__(
        self, settings: Settings, places: Places, on_sample: Callable[[wire.Gpus], None], owner: Callable[[int], str | None]
    ) -> None:
        self.daemon = wire.Daemon()
        self._settings = settings
        self._places = places
        self._on_sample = on_sample
        self._owner = owner
        self._latest = wire.Gpus(reason="the first sample has not come yet")
        self._at = time.monotonic()
        self._looked = -LOOK_S
        self._process: asyncio.subprocess.Process | None = None
        self._interval = 0.0
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End the probe: the end of its stdin is its own."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def latest(self) -> wire.Gpus:
        """The newest sample with its age in seconds; a probe that hangs is said in `reason`."""
        self._latest.age_s = time.monotonic() - self._at
        return self._latest

    def look(self) -> None:
        """Somebody looks: sample at full rate for a while."""
        self._looked = time.monotonic()
        self._pace()

    def held(self, pids: frozenset[int]) -> bool:
        """Whether a GPU counts memory for one of the processes."""
        return any(one.pid in pids for gpu in self._latest.gpus for one in gpu.processes)

    def _pace(self) -> None:
        """Tell the probe the interval that holds now, when it is another."""
        watched = time.monotonic() - self._looked < LOOK_S
        interval = float(self._settings.sample_s) if watched else max(IDLE_S, float(self._settings.sample_s))
        process = self._process
        if process is not None and process.stdin is not None and interval != self._interval:
            self._interval = interval
            with contextlib.suppress(OSError):
                process.stdin.write(f"{interval}\n".encode())

    async def _run(self) -> None:
        pause = RESTART_S
        while True:
            began = time.monotonic()
            await self._probe()
            pause = RESTART_S if time.monotonic() - began > RESTART_MAX_S else min(pause * 2, RESTART_MAX_S)
            await asyncio.sleep(pause)

    async def _probe(self) -> None:
        """One probe from its start to its end."""
        log = os.open(self._places.logs / "probe.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "studio_core.gpu.probe", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
                stderr=log, limit=LINE_BYTES, env=daemon_environment(),
            )
        finally:
            os.close(log)
        self._process, self._interval = process, 1.0
        self.daemon = wire.Daemon(pid=process.pid, started_at=datetime.now(UTC).isoformat())
        try:
            await self._read(process)
        finally:
            self._process = None
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        while True:
            try:
                async with asyncio.timeout(self._interval + OVERDUE_S):
                    line = await process.stdout.readline()
            except TimeoutError:
                self._latest.reason = "the driver does not answer; the probe was started again"
                return
            if not line:
                return
            self._take(_samples.decode(line))
            self._pace()

    def _take(self, sample: wire.Gpus) -> None:
        for gpu in sample.gpus:
            gpu.memory_total_mb = None if gpu.memory_total is None else gpu.memory_total / MB
            gpu.memory_used_mb = None if gpu.memory_used is None else gpu.memory_used / MB
            for one in gpu.processes:
                one.instance_id = self._owner(one.pid)
        sample.count = len(sample.gpus)
        self._latest, self._at = sample, time.monotonic()
        self._on_sample(sample)
