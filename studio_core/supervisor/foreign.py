"""Foreign engines: found while somebody looks, attached when a person wants to serve them, signalled only when one insists.

Looking is cheap and never more often than every LOOK_S. Nothing here signals but `stop`, which a person calls with the
identity that was shown and the name, and which goes through a pidfd.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Awaitable, Callable, Collection, Coroutine
from functools import partial
from pathlib import Path
from typing import Any

from studio_core import room, wire
from studio_core.engines import listing, readiness, registry
from studio_core.engines.listing import Listing
from studio_core.errors import BadValue, Conflict, Denied, NotFound, Unavailable
from studio_core.supervisor import attachment, identity, tree
from studio_core.supervisor.attachment import Attachment
from studio_core.supervisor.bell import Bell
from studio_core.supervisor.census import Census, Engine, Identity
from studio_core.supervisor.tree import Traits

LOOK_S = 3.0
# The port of an engine that is served is proven again this often, whether somebody looks or not.
PROVE_S = 10.0
# Engines that have answered are asked for their models again after this long; those that have not, at each look.
ASK_S = 30.0
# Whoever looks waits this long for what is new to answer.
PATIENCE_S = 0.3
GRACE_S = 30.0
NAME_LETTERS = 200


class Foreigners:
    """`ours(candidates)`: which processes are Studio's own; `taken()`: the public names that recipes have."""

    def __init__(
        self, path: Path, ours: Callable[[Collection[Identity]], Collection[Identity]],
        taken: Callable[[], Awaitable[Collection[str]]], changed: Callable[[], None],
    ) -> None:
        self._path = path
        self._taken = taken
        self._changed = changed
        self._census = Census(ours)
        self._looking = asyncio.Lock()
        self._looked = -LOOK_S
        self._engines: dict[Identity, Engine] = {}
        self._listings: dict[Identity, tuple[float, Listing]] = {}
        self._gauges: dict[Identity, dict[str, float]] = {}
        self._attached: dict[Identity, Attachment] = {}
        self._handles: dict[Identity, int] = {}
        self._bell = Bell()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Go on serving what lives of what was attached."""
        for one in attachment.read(self._path):
            if one.alive:
                self._watch(one)
        if self._attached:
            await self.look()
        self._spawn(self._keep_proving())

    async def stop(self) -> None:
        """The engines go on, and stay attached for the next controller."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for one in tuple(self._handles):
            self._unwatch(one)

    # Looking.

    def glance(self) -> None:
        """Somebody looks, and does not wait."""
        if time.monotonic() - self._looked >= LOOK_S and not self._looking.locked():
            self._spawn(self.look())

    async def look(self, fresh: bool = False) -> None:
        """See who runs; at most every LOOK_S unless it must be `fresh`."""
        async with self._looking:
            if not fresh and time.monotonic() - self._looked < LOOK_S:
                return
            self._looked = time.monotonic()
            before = self._engines
            self._engines = {one.identity: one for one in await asyncio.to_thread(self._census.scan)}
            self._listings = {one: told for one, told in self._listings.items() if one in self._engines}
            if {one: (e.place, e.print) for one, e in before.items()} != {
                one: (e.place, e.print) for one, e in self._engines.items()
            }:
                self._changed()
            tasks = [self._spawn(self._ask(one)) for one in self._engines.values() if self._is_due(one)]
            tasks += [self._spawn(self._measure(one)) for one in self._attached.values()]
            if tasks:
                await asyncio.wait(tasks, timeout=PATIENCE_S)

    def _is_due(self, one: Engine) -> bool:
        """Who wants a key is not asked again without one: each try is a line in his log."""
        at, told = self._listings.get(one.identity, (-ASK_S, Listing()))
        if one.place is None or (told.keyed and one.identity not in self._attached):
            return False
        return told.status != 200 or time.monotonic() - at >= ASK_S

    async def _ask(self, one: Engine) -> None:
        if one.place is None:
            return
        attached = self._attached.get(one.identity)
        told = await listing.ask(one.place.host, one.place.port, attached.key if attached else "")
        before = self._listings.get(one.identity, (0.0, Listing()))[1]
        self._listings[one.identity] = (time.monotonic(), told)
        if told != before:
            self._changed()

    async def _measure(self, one: Attachment) -> None:
        """The engine's own figures."""
        if self._proven(one):
            key = one.process.pid, one.process.ticks
            found = await readiness.gauges(registry.find(one.engine), one.host, one.port, one.key)
            if key in self._attached and found != self._gauges.get(key):
                self._gauges[key] = found
                self._changed()

    async def _keep_proving(self) -> None:
        while True:
            await asyncio.sleep(PROVE_S)
            if self._attached:
                await self.look()

    # What there is.

    def view(self, gpus: wire.Gpus) -> list[wire.Foreign]:
        return [self._shown(one, gpus) for one in self._engines.values()]

    def _shown(self, one: Engine, gpus: wire.Gpus) -> wire.Foreign:
        told = self._listings.get(one.identity, (0.0, Listing()))[1]
        attached, figures = self._attached.get(one.identity), self._gauges.get(one.identity, {})
        return wire.Foreign(
            pid=one.pid, ticks=one.ticks, name=self._name(one), engine=one.print.engine, state=_state(one, told),
            model=one.print.model, served_names=list(told.names) or [name for name in (one.print.served,) if name],
            host=one.place.host if one.place else "", port=one.place.port if one.place else None,
            proof=one.place.by if one.place else "", owner=one.owner, uid=one.uid, memory_bytes=_memory(one, gpus),
            age_s=identity.age(one.pid), attached=attached.name if attached else None,
            running=_whole(figures.get("running")), waiting=_whole(figures.get("waiting")), note=one.note,
        )

    def _name(self, one: Engine) -> str:
        """What a person calls it."""
        attached, told = self._attached.get(one.identity), self._listings.get(one.identity, (0.0, Listing()))[1]
        names = (attached.name if attached else "", one.print.served, *told.names[:1], one.print.model)
        return (os.path.basename(next(filter(None, names), "").rstrip("/")) or one.print.engine)[:NAME_LETTERS]

    def attached(self) -> list[tuple[Attachment, bool]]:
        """What is served, and whether its port is still proven to be its own."""
        return [(one, self._proven(one)) for one in self._attached.values()]

    def _proven(self, one: Attachment) -> bool:
        engine = self._engines.get((one.process.pid, one.process.ticks))
        return engine is not None and engine.place is not None and (engine.place.host, engine.place.port) == (one.host, one.port)

    # What a person asks.

    async def attach(self, pid: int, asked: wire.Attach) -> wire.Foreign:
        """Serve a foreign engine under a name, until it ends or is detached.

        Raises:
            NotFound: no such engine. Conflict: it is another process than was shown, it has no proven port, its name is taken,
            or it wants another key. DiskFull: it could not be written down.
        """
        one = await self._found(pid, asked.ticks)
        if one.place is None:
            raise Conflict(f"pid {pid} listens on no port that could be proven to be its own", one.note, "wait until it has loaded")
        told = await listing.ask(one.place.host, one.place.port, asked.key)
        if told.keyed:
            what = "refuses this key" if asked.key else "wants a key"
            raise Conflict(f"the engine {what}", f"it answered {told.status}", "give its key: studio attach PID --key")
        if told.status != 200:
            where = f"at {one.place.host}:{one.place.port}"
            raise Conflict("the engine does not list its models", where, "wait until it has loaded")
        model = one.print.served if one.print.served in told.names else next(iter(told.names), "")
        name = asked.name.strip()[:NAME_LETTERS] or self._name(one)
        await self._refuse_taken(name, one.identity)
        self._listings[one.identity] = (time.monotonic(), told)
        self._unwatch(one.identity)
        process = identity.here(pid)
        self._watch(Attachment(process, name, one.print.engine, model, one.place.host, one.place.port, asked.key))
        if process.ticks != one.ticks or one.identity not in self._attached:
            self._unwatch(one.identity)
            raise NotFound(f"pid {pid} ended", "", "see: studio ps")
        self._keep()
        return self._shown(one, wire.Gpus())

    async def _refuse_taken(self, name: str, but: Identity) -> None:
        names = {one.name.lower() for key, one in self._attached.items() if key != but}
        if name.lower() in names | {other.lower() for other in await self._taken()}:
            raise Conflict(f"the name {name} is taken", "by a recipe or another attached engine", "choose another: --name NAME")

    def detach(self, pid: int) -> None:
        """Serve it no more; the engine goes on. Raises NotFound."""
        found = next((key for key in self._attached if key[0] == pid), None)
        if found is None:
            raise NotFound(f"pid {pid} is not attached", "", "see: studio ps")
        self._unwatch(found)
        self._keep()

    async def stop_engine(self, pid: int, asked: wire.ForeignStop) -> None:
        """End a foreign engine: SIGTERM to the very process that was shown; with `force` SIGKILL to its whole tree.

        Raises:
            NotFound: no such engine. BadValue: `confirm` is not its name. Conflict: it is another process than was shown, or it
            did not end. Denied: it belongs to another user.
        """
        one = await self._found(pid, asked.ticks)
        name = self._name(one)
        if asked.confirm != name:
            raise BadValue("the name does not confirm it", f"pid {pid} is {name}", "type its name exactly to stop it")
        try:
            if asked.force:
                await asyncio.to_thread(_kill, one)
            else:
                identity.signal(one.pid, one.ticks, signal.SIGTERM)
        except PermissionError as error:
            hint = f"ask {one.owner}, or stop it as that user: kill {pid}"
            raise Denied(f"pid {pid} belongs to {one.owner}", "Studio may not signal it", hint) from error
        if not await self._ended(one):
            raise Conflict(f"{name} has not ended {GRACE_S:.0f} s after SIGTERM", "", "insist with force: SIGKILL to its tree")
        await self.look(fresh=True)

    async def _ended(self, one: Engine) -> bool:
        deadline = time.monotonic() + GRACE_S
        while identity.alive(one.pid, one.ticks):
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(0.05)
        return True

    async def _found(self, pid: int, ticks: int | None) -> Engine:
        """Raises NotFound, Conflict."""
        await self.look(fresh=True)
        one = next((one for one in self._engines.values() if one.pid == pid), None)
        if one is None:
            raise NotFound(f"pid {pid} is no foreign engine", "", "see: studio ps")
        if ticks is not None and ticks != one.ticks:
            raise Conflict(f"pid {pid} is another process than the one that was shown", "", "look again: studio ps")
        return one

    # Keeping.

    def _watch(self, one: Attachment) -> None:
        """The kernel tells of its end: the pidfd becomes readable."""
        key = one.process.pid, one.process.ticks
        try:
            handle = os.pidfd_open(one.process.pid)
        except OSError:
            return
        if not identity.alive(*key):
            os.close(handle)
            return
        self._handles[key], self._attached[key] = handle, one
        asyncio.get_running_loop().add_reader(handle, partial(self._is_gone, key))

    def _is_gone(self, key: Identity) -> None:
        self._unwatch(key)
        self._engines.pop(key, None)
        with contextlib.suppress(Unavailable):
            self._keep()

    def _unwatch(self, key: Identity) -> None:
        self._attached.pop(key, None)
        self._gauges.pop(key, None)
        handle = self._handles.pop(key, None)
        if handle is not None:
            asyncio.get_running_loop().remove_reader(handle)
            os.close(handle)

    def _keep(self) -> None:
        """Write down what is attached, and tell. Raises DiskFull."""
        self._changed()
        try:
            attachment.write(self._path, self._attached.values())
        except OSError as error:
            raise room.full(self._path.parent, "the next controller will not know it") from error

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _state(one: Engine, told: Listing) -> str:
    if one.place is None:
        return "loading"
    return "ready" if told.status == 200 else "keyed" if told.keyed else "loading" if told.status == 503 else "silent"


def _memory(one: Engine, gpus: wire.Gpus) -> int | None:
    """What the driver counts for its processes; None where it counts nothing or does not say."""
    held = [each.memory_bytes for gpu in gpus.gpus for each in gpu.processes if each.pid in one.pids]
    return sum(filter(None, held)) if any(each is not None for each in held) else None


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)


def _kill(one: Engine) -> None:
    """Its tree as it is now, by identity. Raises PermissionError when it is another user's."""
    identity.signal(one.pid, one.ticks, 0)
    by = Traits(f"foreign:{one.pid}:{one.ticks}", seen=[one.identity])
    tree.end(by)
