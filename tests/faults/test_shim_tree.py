"""Whatever is killed, in whatever way processes hide: nothing is left, and no stranger is touched."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from studio_core.paths import Places
from studio_core.supervisor import identity, tree
from studio_core.supervisor import record as records
from studio_core.supervisor.record import Exit, Record
from tests.instance import Instance, living
from tests.wait import eventually, wait_until

# Four children in sessions of their own, renamed; three orphans of a double fork with nothing in their environment.
HIDDEN: dict[str, Any] = {"children": 4, "daemons": 3, "title": "VLLM::APIServer", "ignore_term": True}
COUNT = 8
# The leader of a session with one child, both of which do nothing.
INNOCENT = "import os, time; os.setsid(); os.fork(); print(flush=True); time.sleep(600)"

# Forks as fast as it can; each child leaves the session and forks once more.
BOMB = """
import os, time
for _ in range(300):
    if os.fork() == 0:
        os.setsid()
        os.fork()
        time.sleep(600)
time.sleep(600)
"""


def kill_shim(found: Record) -> None:
    os.kill(found.shim_pid, signal.SIGKILL)


def kill_front(found: Record) -> None:
    assert found.engine_pid is not None
    os.kill(found.engine_pid, signal.SIGKILL)


def kill_both(found: Record) -> None:
    kill_shim(found)
    kill_front(found)


def freeze_shim_and_kill_front(found: Record) -> None:
    os.kill(found.shim_pid, signal.SIGSTOP)
    kill_both(found)


@pytest.mark.parametrize("blow", [kill_shim, kill_front, kill_both, freeze_shim_and_kill_front])
async def test_nothing_is_left(places: Places, blow: Callable[[Record], None]) -> None:
    one = Instance(places, **HIDDEN)
    await one.start()
    await one.listening()  # so those that only forked an orphan are gone: a shim that saw one of them may not have seen the orphan
    found = await eventually(lambda: one.record if len(living(one.record.seen)) == COUNT else None, what="it knows all")
    members = one.members()
    assert found is not None and len(members) == COUNT
    blow(found)
    await eventually(lambda: records.revoke(one.folder), what="the shim is dead")
    after = one.record
    if after.state != records.GONE:
        assert tree.sweep(one.id, after) == []
        assert after.exit is None, "nobody saw how it ended, so nobody says 0"
    assert living(members) == []


async def test_the_sweep_needs_no_single_trait(places: Places) -> None:
    """With the record gone as well, those are found that still bear the mark, and their children."""
    one = Instance(places, ["/bin/sh", "-c", "setsid sleep 600 & sleep 600"])
    found = await one.start(3)
    members = one.members()
    kill_both(found)
    await eventually(lambda: not records.is_locked(one.folder))
    assert tree.sweep(one.id, None) == []
    assert living(members) == []


@pytest.mark.parametrize("child", ["setsid sleep 600", "yes"], ids=["sleeps", "floods"])
async def test_children_outlive_their_parent_only_for_a_moment(places: Places, child: str) -> None:
    """The first process exits by itself: its children get a moment to do the same, then they are killed."""
    # It waits for us, so that the child has been seen however slow the machine is.
    one = Instance(places, ["/bin/sh", "-c", f"{child} & kill -STOP $$; exit 5"])
    front = (await one.start()).engine_pid
    left = await eventually(lambda: [(found.pid, found.ticks) for found in tree.find(tree.Traits(one.id)) if found.pid != front])
    await one.link.signal(signal.SIGCONT)
    found = await one.gone()
    assert found.exit == Exit(code=5)
    assert living(left) == []
    assert tree.find(tree.Traits(one.id)) == []


async def test_a_fork_bomb_is_ended(places: Places) -> None:
    """Processes that fork faster than they can be listed: frozen, they do not."""
    one = Instance(places, [sys.executable, "-c", BOMB])
    await one.start(50)
    await one.link.kill()
    await one.gone(60.0)
    assert tree.find(tree.Traits(one.id)) == []


@contextmanager
def innocent() -> Iterator[tuple[int, int]]:
    process = subprocess.Popen([sys.executable, "-c", INNOCENT], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    ticks = identity.ticks(process.pid)
    assert ticks is not None
    child = next(one.pid for one in tree.processes().values() if one.parent == process.pid)
    try:
        yield process.pid, ticks
    finally:
        for pid in (child, process.pid):
            os.kill(pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()


@pytest.mark.parametrize("state", [records.RUNNING, records.STOPPING, records.GONE])
def test_a_pid_that_is_used_again_is_a_stranger(state: str) -> None:
    """A record from before: its pid, session and group are now somebody else's."""
    with innocent() as (pid, ticks):
        stale = Record("one-x", 1, 1, state, engine_pid=pid, engine_ticks=ticks - 1, session=pid, seen=[(pid, ticks - 1)])
        assert tree.members("one-x", stale) == []
        assert tree.sweep("one-x", stale) == []
        assert not identity.signal(pid, ticks - 1, signal.SIGKILL)
        assert identity.alive(pid, ticks)
        genuine = Record("one-x", 1, 1, engine_pid=pid, engine_ticks=ticks, session=pid)
        assert len(tree.members("one-x", genuine)) == 2


def test_the_session_of_a_dead_leader_is_still_its_session() -> None:
    process = subprocess.Popen([sys.executable, "-c", "import os, time\nos.setsid()\nif os.fork() == 0: time.sleep(600)"])
    ticks = identity.ticks(process.pid) or 0
    process.wait()
    orphaned = Record("one-x", 1, 1, engine_pid=process.pid, engine_ticks=ticks, session=process.pid)
    assert len(tree.members("one-x", orphaned)) == 1
    assert tree.sweep("one-x", orphaned) == []
    assert wait_until(lambda: not tree.members("one-x", orphaned))
