"""The controller's side of an engine, with a real shim under it: what it makes of a shim that is frozen, lost or dead."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from studio_core import settings
from studio_core.engines.registry import find
from studio_core.paths import Places
from studio_core.supervisor import instance, shim_link
from studio_core.supervisor import record as records
from studio_core.supervisor import spec as specs
from studio_core.supervisor.adoption import adopt, archive
from studio_core.supervisor.keeper import Keeper
from studio_core.supervisor.record import Record
from studio_core.supervisor.shim_link import ShimLink
from studio_core.supervisor.surroundings import Surroundings
from tests.instance import Instance, living
from tests.wait import eventually


def surroundings(places: Places) -> Surroundings:
    found = settings.load({"data_dir": str(places.root)}, {"HOME": str(places.root)})
    return Surroundings(places, found, lambda: None, lambda _: False)


@asynccontextmanager
async def kept(places: Places, one: Instance) -> AsyncIterator[Keeper]:
    """Its keeper, with the engine ready; what is left at the end is ended."""
    found = Keeper(one.spec, find(one.spec.engine), surroundings(places))
    found.start()
    try:
        await eventually(lambda: found.life.state == instance.READY, what=f"ready, not {found.life}")
        yield found
        await asyncio.wait_for(found.stop(0.5), 20.0)
        assert not found.life.claims
    finally:
        await found.close()


async def test_a_lost_stream_is_not_a_dead_shim(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    """A watcher that was too slow loses its stream; the engine is none the worse for it, and the next stream is taken."""
    one, streams = Instance(places), 0
    watch = ShimLink.watch

    async def short(link: ShimLink) -> AsyncIterator[Record]:
        nonlocal streams
        streams += 1
        async for found in watch(link):
            yield found
            if streams <= 3:
                return

    monkeypatch.setattr(ShimLink, "watch", short)
    async with kept(places, one) as found:
        await eventually(lambda: streams == 4)
        assert found.life.state == instance.READY
        assert living(one.record.seen) == one.record.seen


async def test_a_frozen_shim_is_ended_with_its_engine(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shim_link, "ANSWER_S", 0.5)
    one = Instance(places, children=2, ignore_term=True)
    async with kept(places, one):
        await eventually(lambda: len(one.record.seen) == 3)
        members = one.members()
        os.kill(one.record.shim_pid, signal.SIGSTOP)
    assert living(members) == []


async def test_a_dead_shim_is_a_failure_whose_claims_end_with_its_last_process(places: Places) -> None:
    one = Instance(places, children=2, ignore_term=True)
    async with kept(places, one) as found:
        await eventually(lambda: len(one.record.seen) == 3)
        members = one.members()
        os.kill(one.record.shim_pid, signal.SIGKILL)
        await eventually(lambda: found.life.state == instance.FAILED)
        await eventually(lambda: not found.life.claims)
        assert living(members) == []
        assert found.view().exit is None, "nobody saw how it ended"


# The patience has to last for two interpreters' start, before which nothing grows.
@pytest.mark.parametrize(("grow_mib", "load_s", "patience_s", "expected"), [
    (400, 7.0, 4.0, instance.READY), (0, 60.0, 1.0, instance.FAILED),
])
async def test_a_silent_start_is_judged_by_its_growth(
    places: Places, grow_mib: int, load_s: float, patience_s: float, expected: str
) -> None:
    """It loads for longer than it may be without progress, and says nothing: only its memory tells."""
    one = Instance(places, silent=True, load_s=load_s, grow_mib=grow_mib)
    one.spec = replace(one.spec, recipe={"no_progress_s": patience_s})
    found = Keeper(one.spec, find(one.spec.engine), surroundings(places))
    found.start()
    try:
        await eventually(lambda: not found.life.coming)
        assert found.life.state == expected
        assert (found.failure is not None and "no progress" in found.failure.detail) is (expected == instance.FAILED)
        await asyncio.wait_for(found.stop(0.5), 20.0)
    finally:
        await found.close()


async def test_a_shim_that_was_never_born_is_cleaned_up(places: Places) -> None:
    """The controller died between the folder and the spec, or between the spec and the exec."""
    places.instance("one-aaa").mkdir()
    one = Instance(places)
    specs.write(one.folder, one.spec)
    notices: list[str] = []
    assert await adopt(surroundings(places), notices) == ([], [one.spec])
    assert notices == [] and list(places.instances.iterdir()) == []
    assert "No such file" in await shim_link._exec(one.folder), "one that comes late finds nothing to run"


async def test_a_shim_that_has_only_its_lock_yet_is_followed(places: Places) -> None:
    one = Instance(places)
    specs.write(one.folder, one.spec)
    held = records.lock(one.folder)
    assert held is not None
    found = await adopt(surroundings(places), [])
    os.close(held)
    assert [keeper.id for keeper in found.keepers] == [one.id] and found.unbegun == []
    await eventually(lambda: not found.keepers[0].life.claims, what="it died without a word")
    await found.keepers[0].close()


@pytest.mark.parametrize("room", [True, False])
def test_the_history_holds_no_secret(places: Places, room: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    one = Instance(places)
    specs.write(one.folder, one.spec)
    records.write(one.folder, records.Record(one.id, 1, 1))
    if not room:
        monkeypatch.setattr(Path, "replace", full)
    archive(places, one.id)
    kept_files = [path for path in (places.history / one.id).rglob("*") if path.is_file()]
    assert all(b'"api_key": "k"' not in path.read_bytes() and b"LLAMA_API_KEY" not in path.read_bytes() for path in kept_files)
    assert (places.history / one.id / "spec.json").exists() is room


def test_what_never_began_leaves_no_history(places: Places) -> None:
    one = Instance(places)
    specs.write(one.folder, one.spec)
    records.reserve(one.folder)
    archive(places, one.id)
    assert not one.folder.exists() and list(places.history.iterdir()) == []


def test_what_the_record_reserved_is_given_back(places: Places) -> None:
    """The newer of the two files is the record, also when it lies in the reserved one."""
    one = Instance(places)
    specs.write(one.folder, one.spec)
    records.reserve(one.folder)
    found = records.Record(one.id, 1, 1)
    records.write(one.folder, found)
    (one.folder / "record.json.new").mkdir()
    found.last_lines = ["the last"]
    records.write(one.folder, found)
    archive(places, one.id)
    kept = places.history / one.id
    assert records.read(kept) == found
    assert (kept / "record.spare").stat().st_size < 4096


def full(*_: object) -> None:
    raise OSError(28, "No space left on device")
