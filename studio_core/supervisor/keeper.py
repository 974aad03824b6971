"""The controller's side of one engine: follows its record, its log and its readiness; stops it and proves it gone.

Everything here can be lost at any moment: a new controller makes a new keeper from the spec and record on disk.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import signal
import time
from collections.abc import Coroutine, Sequence
from datetime import UTC, datetime
from typing import Any

from studio_core import wire
from studio_core.engines import action, ending
from studio_core.engines.diagnosis import diagnose, stalled
from studio_core.engines.engine import Engine
from studio_core.engines.forecast import shape
from studio_core.engines.progress import MilestoneReader
from studio_core.engines.readiness import ready
from studio_core.errors import StudioError
from studio_core.logs.reader import LogFolder
from studio_core.models import cached
from studio_core.recipes.recipe import ADAPTERS_BY_NAME
from studio_core.supervisor import dock, identity, instance, memory, port, tree
from studio_core.supervisor import record as records
from studio_core.supervisor.bell import Bell
from studio_core.supervisor.condition import Condition
from studio_core.supervisor.instance import Life, advance
from studio_core.supervisor.pace import Pace
from studio_core.supervisor.patience import Patience
from studio_core.supervisor.record import Record
from studio_core.supervisor.shim_link import ShimLink, start
from studio_core.supervisor.spec import Spec
from studio_core.supervisor.surroundings import Surroundings

# Each of an engine's many processes tells its own stack before the last one ends.
LAST_LINES = 500
# A scan that found processes which no signal ends is repeated this often, never faster.
STUCK_SCAN_S = 5.0
# The processes in a container are counted anew after this long.
COUNT_S = 2.0
# How often a coming engine is asked whether it is ready: often at first and after each milestone, then less and less.
ASK_S, ASK_MAX_S = 0.02, 1.0
# After a lost stream of a shim that lives.
WATCH_AGAIN_S = 0.1


class Keeper:
    """One instance. `life` moves by the table in `instance`; `bell` rings at each change. `turn` is held by who lets it leave."""

    def __init__(self, spec: Spec, engine: Engine, around: Surroundings) -> None:
        self.spec = spec
        self.engine = engine
        self.life = Life()
        self.bell = Bell()
        self.turn = asyncio.Lock()
        self.condition = Condition(around.places.instance(spec.instance))
        self.progress = wire.Progress()
        self.failure: wire.Failure | None = None
        self.record: Record | None = None
        self.ready_at: str | None = None
        self.recipe_changed = False
        self._around = around
        self._folder = around.places.instance(spec.instance)
        self._patience = Patience(spec.recipe, around.settings)
        self.pace = Pace(shape(spec.recipe))
        self._ours = False
        self.followed = asyncio.Event()
        self._stirred = asyncio.Event()
        self._container = dock.container(spec, self._folder)
        self._inside: tuple[tuple[int, int], ...] = ()
        self._counted = -math.inf
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def id(self) -> str:
        return self.spec.instance

    @property
    def names(self) -> list[str]:
        """What its engine knows by name: the model, and adapters."""
        stored = self.spec.recipe.get("lora_adapters") or [] if self.spec.engine in ADAPTERS_BY_NAME else []
        return [*self.spec.served_names, *(one["name"] for one in stored), *self.condition.adapters]

    @property
    def address(self) -> tuple[str, int]:
        return self.spec.host, self.spec.port

    def start(self) -> None:
        """Exec the shim and follow it. From here on only the engine's end ends the instance, not its launch."""
        self.pace.begin()
        self._do(self._look_back())
        self._do(self._start())

    async def _look_back(self) -> None:
        """What this start can be compared with. Nothing waits for it: the engine has not read its model that soon."""
        self.pace.cache = await asyncio.to_thread(cached.state, self.spec.recipe.get("model_path", ""))
        with contextlib.suppress(StudioError):
            self.pace.expect(await self._around.starts(self.spec.recipe_id))

    async def _start(self) -> None:
        try:
            await start(self._around.places, self.spec)
        except StudioError as error:
            self.failure = wire.Failure(title=error.title, detail=error.detail, hint=error.hint, code=error.code)
            self.happen("gives up")
        self.follow()

    def follow(self) -> None:
        """Follow an engine from wherever it is, a dead one to the proof that nothing is left of it."""
        self.followed.set()
        for work in (self._watch(), self._read_log(), self._await_ready()):
            self._do(work)

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Stop following. The engine goes on."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def happen(self, event: str) -> None:
        """Advance the life and tell everybody when it moved."""
        before, self.life = self.life, advance(self.life, event)
        if self.life != before:
            if self.life.state == instance.READY:
                self.ready_at = self.ready_at or datetime.now(UTC).isoformat()
                self.pace.ready()
                self.progress = wire.Progress(stage="ready", percent=100.0)
            self.tell()

    def tell(self) -> None:
        self._around.changed()  # First: the gateway's waiting requests go before the launch's own paperwork.
        self.bell.ring()

    async def stop(self, grace: float | None = None) -> None:
        """Ask the shim to end the engine and return when nothing is left, or it is stuck."""
        patience = self._grace() if grace is None else grace
        self.happen("stop")
        await self.followed.wait()
        await self._ask_to_stop(patience)
        await self.bell.until(lambda: not self.life.claims or self.life.state == instance.STUCK)

    def _grace(self) -> float:
        return ending.grace(self.engine.name, self.spec.grace_s, self.life.coming)

    async def _ask_to_stop(self, grace: float) -> None:
        """A shim that lives and does not answer (a frozen one) is killed: the kernel takes its engine, we the rest."""
        try:
            await ShimLink(self._folder).stop(grace)
        except StudioError:
            if (record := self.record) is not None and records.is_locked(self._folder):
                identity.signal(record.shim_pid, record.shim_ticks, signal.SIGKILL)

    # The record: what the shim says, and what is true when it can say nothing more.

    async def _watch(self) -> None:
        """The end of the stream alone proves nothing: the lock tells whether the shim lives, and none may start late."""
        while True:
            with contextlib.suppress(StudioError):
                async for record in ShimLink(self._folder).watch():
                    self._take(record)
            if records.revoke(self._folder):
                break
            await asyncio.sleep(WATCH_AGAIN_S)
        await self._sweep()

    def _take(self, record: Record) -> None:
        self.record = record
        if record.exit is not None and self.life.state not in instance.LEAVING:
            self._exited(record)
        if record.exit is not None:
            self.happen("exits")
        if record.state == records.STUCK:
            self.happen("unkillable")
            self._is_stuck(record.left, record.afloat)
        self.tell()

    def _is_stuck(self, left: Sequence[int], afloat: bool = False) -> None:
        hull = [f"container studio-{self.id}, or its runtime does not answer"] if afloat else []
        told = "; ".join([*map(tree.describe, left), *hull])
        self.failure = wire.Failure(
            title="the engine cannot be killed", detail=f"still there: {told}",
            hint="see who owns these processes; release the instance when you know that its memory is free",
        )

    def _exited(self, record: Record) -> None:
        if self.life.alive and self.failure is None:
            lines = LogFolder(self._folder / "log").tail(LAST_LINES)
            self.failure = diagnose(self.engine, lines, exit_of(record), self.spec.recipe)

    async def _sweep(self) -> None:
        """The shim is dead. End what is left of the tree, wait for the port and the memory, release the claims."""
        self.record = records.read(self._folder) or self.record
        if self.record is not None:
            self._exited(self.record)
        self.happen("exits")
        while left := await asyncio.to_thread(tree.sweep, self.id, self.record):
            self.happen("unkillable")
            self._is_stuck(left)
            self.tell()
            await asyncio.sleep(STUCK_SCAN_S)
        while not await asyncio.to_thread(self._container_gone):
            self.happen("unkillable")
            self._is_stuck((), afloat=True)
            self.tell()
            await asyncio.sleep(STUCK_SCAN_S)
        await self._memory_back()
        self.happen("clean")
        self.tell()

    def _container_gone(self) -> bool:
        """A shim that said so has asked; one that never wrote a record has started none."""
        if self._container is None or self.record is None or self.record.state == records.GONE:
            return True
        return self._container.remove()

    def processes(self) -> list[tuple[int, int]]:
        """(pid, start ticks) of all that is known of it, what runs in its container too."""
        return [*(self.record.seen if self.record else ()), *self._inside]

    def owns(self, pid: int) -> bool:
        """Whether a process runs in its container."""
        return self._container is not None and dock.is_inside(pid, self._container.id)

    async def _memory_back(self) -> None:
        """Until the port is free and no GPU counts memory for our pids; not longer than the setting allows."""
        pids = frozenset(pid for pid, _ in self.processes())
        deadline = time.monotonic() + self._around.settings.memory_wait_s
        while time.monotonic() < deadline:
            if port.is_free(*self.address) and not self._around.memory_held(pids):
                return
            await asyncio.sleep(0.05)
        self.progress = wire.Progress(stage="gone", message="return of the memory not verifiable")

    # The start: milestones, readiness, and the judgement by progress.

    async def _read_log(self) -> None:
        reader = MilestoneReader(self.engine)
        async for chunk in LogFolder(self._folder / "log").follow(0):
            found = reader.feed(chunk.data)
            self.pace.note(reader.passed, reader.version)
            if found is not None and self.life.coming:
                self._advance(found)
            if reader.lost is not None and self.life.coming:
                await self._end_start(diagnose(self.engine, [reader.lost], None, self.spec.recipe))

    def _advance(self, found: wire.Progress) -> None:
        self._patience.moved()
        self._stirred.set()
        self.progress = found
        self.happen("downloads" if found.stage == "downloading" else "loads")
        self.tell()

    async def _await_ready(self) -> None:
        """Ready when the listener is the tree's own and health and model endpoints answer."""
        pause = ASK_S
        while self.life.coming:
            if await self._is_ready():
                self.happen("ready")
                if self.condition.asleep is not None:
                    self.happen("sleeps")
                return
            self._count()
            self._patience.notice(self.processes())
            if (reason := self._patience.over()) is not None:
                await self._give_up(reason)
                return
            self._stirred.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._stirred.wait()
            pause = ASK_S if self._stirred.is_set() else min(pause * 1.05, ASK_MAX_S)

    async def _is_ready(self) -> bool:
        record = self.record
        if record is None or record.engine_pid is None:
            return False
        if not port.accepts(*self.address):
            return False
        # Proven before the key is shown to whoever listens, and once: the proof reads all of the kernel's sockets.
        self._ours = self._ours or await asyncio.to_thread(self._listens, record)
        if not self._ours:
            return False
        return self.condition.asleep is not None or await ready(self.engine, *self.address, self.spec.api_key)

    def _listens(self, record: Record) -> bool:
        """The first process is asked first: which other one of the tree it may be takes a scan of all processes."""
        number = self.spec.port
        if self._container is not None:
            return self._container.publishes(number)
        first = {record.engine_pid} if record.engine_pid is not None and record.exit is None else set[int]()
        return port.listener_belongs(number, first) or port.listener_belongs(
            number, {member.pid for member in tree.members(self.id, record)}
        )

    def _count(self) -> None:
        """What runs in its container: it changes, and takes a scan."""
        if self._container is not None and time.monotonic() - self._counted > COUNT_S:
            self._counted, self._inside = time.monotonic(), tuple(dock.inside(self._container.id))

    async def _give_up(self, reason: str) -> None:
        lines = LogFolder(self._folder / "log").tail(LAST_LINES)
        await self._end_start(stalled(self.engine, lines, reason, self.spec.recipe))

    async def _end_start(self, why: wire.Failure) -> None:
        """The engine lives, but this start leads nowhere."""
        self.failure = why
        patience = self._grace()
        self.happen("gives up")
        await self._ask_to_stop(patience)

    def outlook(self) -> wire.Progress:
        """The progress, with what is left of the start."""
        return self.pace.outlook(self.progress) if self.life.coming else self.progress

    def view(self) -> wire.Instance:
        """The instance as the API shows it."""
        record, recipe = self.record, self.spec.recipe
        started = datetime.fromisoformat(self.spec.created_at)
        return wire.Instance(
            id=self.id,
            recipe_id=self.spec.recipe_id,
            name=recipe.get("name") or self.spec.recipe_id,
            engine=self.spec.engine,
            state=self.life.state,
            host=self.spec.host,
            port=self.spec.port,
            model_path=recipe.get("model_path", ""),
            served_names=list(self.spec.served_names),
            shim_pid=record.shim_pid if record else None,
            engine_pid=record.engine_pid if record else None,
            launch_id=self.spec.launch_id,
            started_at=self.spec.created_at,
            ready_at=self.ready_at,
            age_s=max(0.0, (datetime.now(UTC) - started).total_seconds()),
            progress=self.outlook(),
            failure=self.failure,
            exit=exit_of(record) if record else None,
            recipe_changed=self.recipe_changed,
            pinned=bool(recipe.get("pin")),
            sleep_level=self.condition.asleep,
            actions=action.possible(self.spec.engine, self.spec.argv, self.spec.env),
            memory_bytes=memory.usage(self.processes()).resident or None if record else None,
        )


def exit_of(record: Record) -> wire.Exit | None:
    """The record's exit as it travels; None while the engine runs."""
    return None if record.exit is None else wire.Exit(code=record.exit.code, signal=record.exit.signal)
