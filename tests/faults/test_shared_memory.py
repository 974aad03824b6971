"""An engine leaves nothing in /dev/shm, whoever is killed: the sweeps let Python's resource trackers clean up first."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from studio_core import settings
from studio_core.engines import ending
from studio_core.engines.registry import find
from studio_core.paths import Places
from studio_core.supervisor import record as records
from studio_core.supervisor import tree
from studio_core.supervisor.keeper import Keeper
from studio_core.supervisor.record import Record
from studio_core.supervisor.surroundings import Surroundings
from tests.instance import Instance, living
from tests.wait import eventually

# The front process, its tracker, and two children that hold the tracker's pipe open.
COUNT = 4
# Named as a tracker, and never done.
STUBBORN = """
# from multiprocessing.resource_tracker import main
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
time.sleep(600)
"""


@pytest.fixture
def block() -> Iterator[Path]:
    """The place of a block of shared memory that an engine shall make."""
    path = Path("/dev/shm") / f"studio-test-{os.getpid()}"
    yield path
    path.unlink(missing_ok=True)


def left(block: Path) -> bool:
    return block.exists()


async def sharing(places: Places, block: Path) -> Instance:
    one = Instance(places, shared=block.name, children=2, ignore_term=True)
    await one.start(COUNT)
    assert [tree.tracks(member) for member in tree.members(one.id, one.record)].count(True) == 1
    assert left(block)
    return one


async def test_a_kill_of_the_tree(places: Places, block: Path) -> None:
    one = await sharing(places, block)
    members = one.members()
    await one.link.kill()
    await one.gone()
    assert (living(members), left(block)) == ([], False)


async def test_a_stop_that_is_ignored(places: Places, block: Path) -> None:
    one = await sharing(places, block)
    await one.link.stop(0.2)
    await one.gone()
    assert not left(block)


async def test_what_the_tracker_has_to_say_stops_nobody(places: Places, block: Path) -> None:
    """It warns before it cleans up, and another child has filled the pipe to the brim."""
    one = Instance(places, shared=block.name, children=2, ignore_term=True, spawn=[["yes", "x" * 4000]])
    await one.start(COUNT + 1)
    await one.link.kill()
    await one.gone()
    assert not left(block)
    assert any("leaked shared_memory" in line for line in one.log.tail(20))


def kill_shim(found: Record) -> None:
    os.kill(found.shim_pid, signal.SIGKILL)


def kill_front(found: Record) -> None:
    assert found.engine_pid is not None
    os.kill(found.engine_pid, signal.SIGKILL)


def kill_both(found: Record) -> None:
    kill_shim(found)
    kill_front(found)


@pytest.mark.parametrize("blow", [kill_shim, kill_front, kill_both])
async def test_a_blow_from_outside(places: Places, block: Path, blow: Callable[[Record], None]) -> None:
    one = await sharing(places, block)
    members = one.members()
    blow(one.record)
    await eventually(lambda: records.revoke(one.folder), what="the shim is dead")
    after = one.record
    if after.state != records.GONE:
        assert tree.sweep(one.id, after) == []
    assert (living(members), left(block)) == ([], False)


async def test_a_tracker_that_is_never_done_is_killed_after_all(places: Places) -> None:
    one = Instance(places, spawn=[[sys.executable, "-c", STUBBORN]])
    await one.start(2)
    members = one.members()
    await one.link.kill()
    await one.gone()
    assert living(members) == []



async def test_a_start_that_hears_nothing_holds_nobody_up(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a vLLM that loads: it may have ten minutes to end when ready, and gets a moment while it loads."""
    monkeypatch.setattr(ending, "LOADING_S", {"llamacpp": 0.2})
    one = Instance(places, hang=True, ignore_term=True)
    chosen = settings.load({"data_dir": str(places.root)}, {"HOME": str(places.root)})
    around = Surroundings(places, chosen, lambda: None, lambda _: False)
    keeper = Keeper(replace(one.spec, grace_s=600.0), find("llamacpp"), around)
    keeper.start()
    try:
        await one.listening()
        await asyncio.wait_for(keeper.stop(), 20.0)
        assert keeper.life.state == "gone"
    finally:
        await keeper.close()


def test_only_a_start_is_cut_short() -> None:
    assert ending.grace("vllm", 30.0, loading=True) == ending.LOADING_S["vllm"]
    assert ending.grace("vllm", 30.0, loading=False) == 30.0
    assert ending.grace("vllm", 0.5, loading=True) == 0.5
    assert ending.grace("llamacpp", 30.0, loading=True) == 30.0
