"""The shim with real signals: whatever is killed, nothing is left, and the record says what happened."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from studio_core.errors import LaunchFailed
from studio_core.logs.reader import LogFolder
from studio_core.paths import Places
from studio_core.supervisor import identity, port, tree
from studio_core.supervisor import record as records
from studio_core.supervisor import spec as specs
from studio_core.supervisor.record import Record
from studio_core.supervisor.shim_link import ShimLink, start
from studio_core.supervisor.spec import Spec
from tests.wait import eventually

SCRIPT = Path(__file__).parent.parent / "engines" / "scripted.py"
HIDDEN: dict[str, Any] = {"children": 4, "ignore_term": True}


@pytest.fixture
def places(tmp_path: Path) -> Places:
    tmp_path.chmod(0o700)
    places = Places(tmp_path)
    places.create()
    return places


def make(argv: list[str] | None = None, **switches: Any) -> Spec:
    number = port.pick(18100)
    return specs.new(
        instance="one-1", recipe_id="one", launch_id="l-1", argv=argv or [sys.executable, str(SCRIPT), "--port", str(number)],
        env={"PATH": os.environ["PATH"], tree.MARK: "one-1", "SCRIPT": json.dumps(switches)}, cwd="/", host="127.0.0.1",
        port=number, api_key="", grace_s=1.0, engine="llamacpp", served_names=["one"], recipe={}, log_head_bytes=4096,
        log_segment_bytes=4096, log_segments=2,
    )


def record(places: Places) -> Record:
    found = records.read(places.instance("one-1"))
    assert found is not None
    return found


async def running(places: Places, spec: Spec, count: int) -> Record:
    """Start it and wait until all of its processes are known to the record."""
    await start(places, spec)
    await eventually(lambda: len(record(places).seen) >= count, what="all processes seen")
    return record(places)


def kill_shim(found: Record) -> None:
    os.kill(found.shim_pid, signal.SIGKILL)


def kill_front(found: Record) -> None:
    assert found.engine_pid is not None
    os.kill(found.engine_pid, signal.SIGKILL)


def kill_both(found: Record) -> None:
    kill_shim(found)
    kill_front(found)


@pytest.mark.parametrize("blow", [kill_shim, kill_front, kill_both])
async def test_nothing_is_left(places: Places, blow: Callable[[Record], None]) -> None:
    found = await running(places, make(**HIDDEN), 5)
    members = [(one.pid, one.ticks) for one in tree.members("one-1", found)]
    assert len(members) == 5
    blow(found)
    folder = places.instance("one-1")
    await eventually(lambda: not records.is_locked(folder))
    after = record(places)
    if after.state != records.GONE:
        assert tree.sweep("one-1", after) == []
    assert not any(identity.alive(pid, ticks) for pid, ticks in members)


async def test_a_stop_that_is_ignored_ends_in_a_kill_of_the_tree(places: Places) -> None:
    found = await running(places, make(**HIDDEN), 5)
    await ShimLink(places.instance("one-1")).stop(0.3)
    await eventually(lambda: record(places).state == records.GONE)
    assert record(places).exit == records.Exit(signal=signal.SIGKILL)
    assert not any(identity.alive(pid, ticks) for pid, ticks in found.seen)


async def test_a_willing_engine_is_asked_only_once_and_its_exit_is_kept(places: Places) -> None:
    spec = make()
    await running(places, spec, 1)
    await eventually(lambda: port.holder(spec.port), what="it listens, so its handlers stand")
    await ShimLink(places.instance("one-1")).stop(20.0)
    await eventually(lambda: record(places).state == records.GONE)
    assert record(places).exit == records.Exit(code=0)


async def test_the_exit_code_and_the_last_lines_are_right(places: Places) -> None:
    script = "import sys; print('the end is near'); sys.exit(7)"
    await start(places, make([sys.executable, "-c", script]))
    await eventually(lambda: record(places).state == records.GONE)
    assert record(places).exit == records.Exit(code=7)
    assert record(places).last_lines == ["the end is near"]


async def test_a_missing_binary_is_said_in_the_log(places: Places) -> None:
    await start(places, make(["/nowhere/engine"]))
    await eventually(lambda: record(places).state == records.GONE)
    assert record(places).exit == records.Exit(code=127)
    assert "cannot execute /nowhere/engine" in LogFolder(places.instance("one-1") / "log").tail(5)[-1]


async def test_the_family(places: Places) -> None:
    """The engine's parent is its shim, the shim's parent is not we, and the shim is small."""
    found = await running(places, make(), 1)
    fields = identity.stat_fields(found.engine_pid or 0)
    shim = identity.stat_fields(found.shim_pid)
    assert fields is not None and shim is not None
    assert int(fields[1]) == found.shim_pid
    assert int(shim[1]) != os.getpid()
    assert int(shim[21]) * os.sysconf("SC_PAGE_SIZE") <= 16 * 1024 * 1024
    await ShimLink(places.instance("one-1")).kill()
    await eventually(lambda: record(places).state == records.GONE)


async def test_a_revoked_spec_starts_nothing(places: Places) -> None:
    spec = make()
    folder = places.instance(spec.instance)
    specs.write(folder, spec)
    assert records.revoke(folder)
    with pytest.raises(LaunchFailed, match="revoked"):
        await start(places, spec)
    assert tree.find(tree.Traits(spec.instance)) == []
    assert records.read(folder) is None


async def test_the_log_keeps_its_beginning_and_a_bounded_ring(places: Places) -> None:
    script = "for n in range(4000): print(f'line {n:05d}')"
    await start(places, make([sys.executable, "-c", script]))
    await eventually(lambda: record(places).state == records.GONE)
    log = LogFolder(places.instance("one-1") / "log")
    lines = [line.data.decode() for line in log.lines()]
    assert lines[0] == "line 00000" and lines[-1] == "line 03999"
    assert log.size == 4000 * len("line 00000\n")
    assert log.stored <= 3 * 4096
    skipped = log.read(4096).skipped
    assert skipped > 0 and skipped % 4096 == 0


async def test_watch_ends_with_the_shim(places: Places) -> None:
    found = await running(places, make(), 1)
    states = []
    async for seen in ShimLink(places.instance("one-1")).watch():
        states.append(seen.state)
        if len(states) == 1:
            kill_front(found)
    assert states[0] == records.RUNNING
    assert states[-1] == records.GONE
