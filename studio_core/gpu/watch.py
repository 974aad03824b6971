"""Keeps a probe running and its newest sample at hand; a probe that hangs or dies is replaced."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime

import msgspec

from studio_core import __version__, wire
from studio_core.paths import Places, daemon_environment
from studio_core.settings import Settings

MB = 1024 * 1024
# While nobody looks, samples come this slowly; a look counts for so long.
IDLE_S, LOOK_S = 10.0, 15.0
# A driver that has not answered for so long is said to hang; after the second figure its probe is replaced. The
# second is long because the first NVML call without persistence mode initialises every GPU, which takes many seconds.
HANG_S, GIVE_UP_S = 3.0, 30.0
# Whoever asks whether memory is back wants a sample of now.
FRESH_S = 0.2
RESTART_S, RESTART_MAX_S = 0.5, 30.0
# A process that hangs inside the driver survives SIGKILL. So many are left behind, then the last one is kept.
STUCK_MAX = 2
KILL, KILL_S = signal.SIGKILL, 2.0
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
        self._asked = 0.0
        self._known = False
        self._process: asyncio.subprocess.Process | None = None
        self._stuck: list[asyncio.subprocess.Process] = []
        self._interval = 0.0
        self._patience: asyncio.Timeout | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End the probe."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def latest(self) -> wire.Gpus:
        """The newest sample; `age_s` is how many seconds ago the driver gave its figures."""
        age = (self._latest.age_s or 0.0) + time.monotonic() - self._at
        return msgspec.structs.replace(self._latest, age_s=age)

    def look(self) -> None:
        """Somebody looks: sample at full rate for a while."""
        self._looked = time.monotonic()
        self._pace()

    def held(self, pids: frozenset[int]) -> bool:
        """Whether a GPU counts memory for one of the processes. Held too, as long as no fresh sample denies it."""
        if self._known and not self._latest.gpus:
            return False
        if not self._known or (self.latest().age_s or 0.0) > FRESH_S:
            self._ask()
            return True
        return any(one.pid in pids for gpu in self._latest.gpus for one in processes(gpu))

    # How often.

    def _pace(self) -> None:
        """Tell the probe the interval that holds now, when it is another."""
        watched = time.monotonic() - self._looked < LOOK_S
        interval = float(self._settings.sample_s) if watched else max(IDLE_S, float(self._settings.sample_s))
        if self._process is not None and interval != self._interval:
            self._interval = interval
            self._say()

    def _ask(self) -> None:
        """A sample now, beside those of the interval; not faster than answers can come."""
        if time.monotonic() - self._asked > FRESH_S:
            self._say()

    def _say(self) -> None:
        self._asked = time.monotonic()
        if self._process is None or self._process.stdin is None:
            return
        with contextlib.suppress(OSError):
            self._process.stdin.write(f"{self._interval}\n".encode())
        if self._patience is not None:
            self._patience.reschedule(self._deadline())

    def _deadline(self) -> float:
        return asyncio.get_running_loop().time() + self._interval + HANG_S

    # The probe.

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
        self.daemon = wire.Daemon(pid=process.pid, version=__version__, started_at=datetime.now(UTC).isoformat())
        try:
            self._miss(await self._read(process))
        finally:
            self._process = None
            await self._end(process)

    async def _end(self, process: asyncio.subprocess.Process) -> None:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(KILL)
        if process.stdin is not None:
            process.stdin.close()
        try:
            async with asyncio.timeout(KILL_S):
                await process.wait()
        except TimeoutError:
            self._stuck.append(process)

    async def _read(self, process: asyncio.subprocess.Process) -> str:
        """Take samples until the probe is to be replaced; returns the reason."""
        assert process.stdout is not None
        while True:
            try:
                sample = _samples.decode(await self._line(process.stdout))
            except TimeoutError:
                return "the probe does not answer and was started again"
            except ValueError:
                return "the probe ended and was started again"
            waited = sample.age_s or 0.0
            self._take(sample, waited)
            self._pace()
            if waited > GIVE_UP_S and self._may_replace():
                return "the driver does not answer and is asked anew"

    async def _line(self, stdout: asyncio.StreamReader) -> bytes:
        try:
            async with asyncio.timeout_at(self._deadline()) as self._patience:
                return await stdout.readline()
        finally:
            self._patience = None

    def _may_replace(self) -> bool:
        self._stuck = [one for one in self._stuck if one.returncode is None]
        return len(self._stuck) < STUCK_MAX

    def _miss(self, reason: str) -> None:
        """The figures stay, marked as old by this reason and their age."""
        self._known = True
        self._latest = msgspec.structs.replace(self._latest, reason=reason)
        self._on_sample(self.latest())

    def _take(self, sample: wire.Gpus, waited: float) -> None:
        if waited and not sample.gpus and self._latest.gpus:
            # A new probe whose driver has not answered yet: the old figures stay, with their age.
            sample.gpus, sample.age_s = self._latest.gpus, self.latest().age_s
        if waited > HANG_S:
            sample.reason = f"the driver has not answered for {waited:.0f} s"
        for gpu in sample.gpus:
            gpu.memory_total_mb = None if gpu.memory_total is None else gpu.memory_total / MB
            gpu.memory_used_mb = None if gpu.memory_used is None else gpu.memory_used / MB
            for one in processes(gpu):
                one.instance_id = self._owner(one.pid)
        sample.count = len(sample.gpus)
        self._latest, self._at = sample, time.monotonic()
        self._known = self._known or not waited
        self._on_sample(sample)


def processes(gpu: wire.Gpu) -> list[wire.GpuProcess]:
    """Of the GPU and of its parts."""
    return [*gpu.processes, *(one for part in gpu.slices for one in part.processes)]
