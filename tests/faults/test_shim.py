"""The shim with real signals: how an engine starts, is stopped and ends, and what the record says of it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys

import pytest

from studio_core.errors import LaunchFailed, Unavailable
from studio_core.paths import Places, connect
from studio_core.supervisor import identity, tree
from studio_core.supervisor import record as records
from studio_core.supervisor import spec as specs
from studio_core.supervisor.record import Exit
from studio_core.supervisor.shim_link import start
from tests.instance import Instance, living
from tests.wait import eventually

MIB = 1024 * 1024
SHIM_MIB = 16
# A machine with other libraries may need a little more than this one.
MARGIN_MIB = 1


async def test_a_stop_that_is_ignored_ends_in_a_kill_of_the_tree(places: Places) -> None:
    one = Instance(places, children=4, ignore_term=True)
    await one.start(5)
    found = one.members()
    await one.link.stop(0.3)
    assert (await one.gone()).exit == Exit(signal=signal.SIGKILL)
    assert living(found) == []


async def test_a_willing_engine_is_asked_only_once_and_its_exit_is_kept(places: Places) -> None:
    one = Instance(places)
    await one.start()
    await one.listening()
    await one.link.stop(20.0)
    assert (await one.gone()).exit == Exit(code=0)


async def test_sigterm_to_the_shim_is_a_stop(places: Places) -> None:
    one = Instance(places)
    await one.start()
    await one.listening()
    os.kill(one.record.shim_pid, signal.SIGTERM)
    assert (await one.gone()).exit == Exit(code=0)


@pytest.mark.parametrize(("end", "expected"), [
    ("sys.exit(7)", Exit(code=7)), ("sys.exit(0)", Exit(code=0)), ("os.kill(os.getpid(), 11)", Exit(signal=11)),
    # No newline at the end, and gone at once: nothing of it may be missing.
    ("sys.stdout.write('x' * 3000); sys.stdout.flush(); os._exit(3)", Exit(code=3)),
])
async def test_the_exit_and_the_last_lines_are_right(places: Places, end: str, expected: Exit) -> None:
    one = Instance(places, [sys.executable, "-c", f"import os, sys; print('the end is near', flush=True); {end}"])
    await start(places, one.spec)
    found = await one.gone()
    assert found.exit == expected
    assert found.last_lines[0] == "the end is near"
    assert found.exited_at is not None and found.exited_at >= found.started_at


@pytest.mark.parametrize(("fields", "reason"), [
    ({"argv": ["/nowhere/engine"]}, "cannot execute /nowhere/engine: No such file or directory"),
    ({"cwd": "/nowhere"}, "the working directory /nowhere: No such file or directory"),
    ({"argv": ["/bin/true", "a\0b"]}, "cannot execute /bin/true: embedded null byte"),
])
async def test_what_cannot_be_executed_is_said_in_record_and_log(places: Places, fields: dict[str, object], reason: str) -> None:
    one = Instance(places)
    spec = specs.Spec(**{**vars(one.spec), **fields})
    await start(places, spec)
    found = await one.gone()
    assert found.exit == Exit(code=127)
    assert reason in found.error
    assert reason in one.log.tail(5)[-1]


async def test_the_family(places: Places) -> None:
    """The engine's parent is its shim, the shim's parent is not we; the shim is small."""
    one = Instance(places)
    found = await one.start()
    engine, shim = identity.stat_fields(found.engine_pid or 0), identity.stat_fields(found.shim_pid)
    assert engine is not None and shim is not None
    assert int(engine[1]) == found.shim_pid
    assert int(shim[1]) != os.getpid()
    resident = int(shim[21]) * os.sysconf("SC_PAGE_SIZE") / MIB
    assert resident <= SHIM_MIB - MARGIN_MIB
    assert len(os.listdir(f"/proc/{found.shim_pid}/task")) == 1
    assert os.readlink(f"/proc/{found.engine_pid}/fd/0") == "/dev/null"
    await one.link.kill()
    await one.gone()


async def test_the_engine_inherits_no_ignored_signal_and_no_descriptor(places: Places) -> None:
    one = Instance(places, ["/bin/sh", "-c", "grep -E 'Sig(Blk|Ign)' /proc/self/status; ls -1 /proc/self/fd | wc -l"])
    await start(places, one.spec)
    lines = (await one.gone()).last_lines
    assert [line.split()[1].strip("0") for line in lines[:2]] == ["", ""]
    # 0, 1, 2 and the one that `ls` reads the folder with.
    assert lines[2].strip() == "4"


async def test_a_revoked_spec_starts_nothing_ever(places: Places) -> None:
    one = Instance(places)
    specs.write(one.folder, one.spec)
    assert records.revoke(one.folder)
    for _ in range(2):
        with pytest.raises(LaunchFailed, match="revoked"):
            await start(places, one.spec)
    assert tree.find(tree.Traits(one.id)) == []
    assert records.read(one.folder) is None


async def test_a_second_shim_leaves_the_first_alone(places: Places) -> None:
    one = Instance(places)
    before = await one.start()
    assert not records.revoke(one.folder)
    await start(places, one.spec)
    assert living(one.members()) == [(before.engine_pid, before.engine_ticks)]
    assert one.record.shim_pid == before.shim_pid
    await one.link.kill()
    await one.gone()
    assert records.revoke(one.folder)


async def test_watch_tells_each_change_and_ends_with_the_shim(places: Places) -> None:
    one = Instance(places)
    await one.start()
    states = []
    async for seen in one.link.watch():
        states.append(seen.state)
        if len(states) == 1:
            os.kill(seen.engine_pid or 0, signal.SIGKILL)
    assert states[0] == records.RUNNING
    assert states[-1] == records.GONE
    with pytest.raises(Unavailable):
        await one.link.stop(1.0)


@pytest.mark.parametrize("line", [
    b"not json", b"[]", b'"text"', b"{}", b"\xff\xfe",
    b'{"cmd":"stop","grace":NaN}', b'{"cmd":"stop","grace":-1}', b'{"cmd":"stop","grace":1e999}',
    b'{"cmd":"signal","signal":1e999}', b'{"cmd":"signal","signal":4711}', b'{"cmd":"signal"}', b'{"cmd":["stop"]}', b"[" * 50_000,
])
async def test_no_senseless_command_harms_the_engine(places: Places, line: bytes) -> None:
    one = Instance(places)
    before = await one.start()
    with connect(one.folder / "shim.sock", timeout=60.0) as link:
        link.sendall(line + b"\n")
        answer = json.loads(await asyncio.to_thread(link.makefile("rb").readline))
    assert answer["ok"] is False and answer["error"]
    assert one.record.state == records.RUNNING
    assert living(before.seen) == before.seen
    await one.link.kill()
    await one.gone()


async def test_an_endless_command_is_cut_off(places: Places) -> None:
    one = Instance(places)
    before = await one.start()
    with connect(one.folder / "shim.sock", timeout=60.0) as link, pytest.raises(ConnectionError):
        while True:
            await asyncio.to_thread(link.sendall, b"x" * 65536)
    assert living(before.seen) == before.seen
    await one.link.kill()
    await one.gone()


async def test_a_stopped_watcher_costs_the_shim_nothing(places: Places) -> None:
    """It does not read; the shim goes on and others are served."""
    one = Instance(places)
    await one.start()
    with connect(one.folder / "shim.sock", timeout=60.0) as link:
        link.sendall(b'{"cmd":"watch"}\n')
        await one.link.signal(signal.SIGSTOP)
        await one.link.signal(signal.SIGCONT)
        await one.link.stop(5.0)
        await eventually(lambda: one.record.state == records.GONE)
    await one.gone()
