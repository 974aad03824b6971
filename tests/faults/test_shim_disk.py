"""A full disk: the engine goes on, stops and records need no room, and what the log lost is counted."""

from __future__ import annotations

import fcntl
import os
import signal
import struct
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest

from studio_core.errors import DiskFull
from studio_core.paths import Places
from studio_core.supervisor import record as records
from studio_core.supervisor import tree
from studio_core.supervisor.record import Exit
from studio_core.supervisor.shim_link import start
from tests import disk
from tests.disk import fill
from tests.instance import Instance, living
from tests.wait import eventually

SIZE = 1024 * 1024


@pytest.fixture
def small(state_dir: Path) -> Iterator[Places]:
    """State on a file system of 1 MiB."""
    with disk.mounted(state_dir / "small", SIZE) as folder:
        places = Places(folder)
        places.create()
        yield places


async def test_a_stop_and_its_record_need_no_room(small: Places) -> None:
    one = Instance(small)
    await one.start()
    await eventually(lambda: any("model loaded" in line for line in one.log.tail(20)), what="it has said all that it has to say")
    fill(small.root)
    with pytest.raises(OSError, match="No space left"):
        (small.root / "proof").write_bytes(b"x" * 4096)
    await one.link.stop(10.0)
    found = await one.gone()
    assert found.exit == Exit(code=0)
    assert any("model loaded" in line for line in found.last_lines)


async def test_a_crash_on_a_full_disk_is_told_in_full(small: Places) -> None:
    one = Instance(small)
    found = await one.start()
    fill(small.root)
    os.kill(found.engine_pid or 0, signal.SIGKILL)
    assert (await one.gone()).exit == Exit(signal=signal.SIGKILL)


async def test_nothing_is_started_that_could_not_be_recorded(small: Places) -> None:
    fill(small.root)
    one = Instance(small)
    with pytest.raises(DiskFull, match="the engine was not started"):
        await start(small, one.spec)
    assert tree.find(tree.Traits(one.id)) == []


async def test_lost_bytes_are_a_counted_gap_and_the_log_goes_on(small: Places) -> None:
    # It tells that it has come past the flood by its working directory.
    one = Instance(small, ["/bin/sh", "-c", "echo begin; kill -STOP $$; seq 1 20000; cd /proc; kill -STOP $$; echo end"])
    before = await one.start()
    pid = before.engine_pid or 0
    await eventually(lambda: stopped(pid))
    await eventually(lambda: one.log.tail(1) == ["begin"])
    filler = fill(small.root)
    await one.link.signal(signal.SIGCONT)
    await eventually(lambda: Path(f"/proc/{pid}/cwd").readlink() == Path("/proc"), what="the disk does not block the engine")
    await eventually(lambda: stopped(pid))
    await eventually(lambda: unread(pid) == 0)
    filler.unlink()
    await one.link.signal(signal.SIGCONT)
    found = await one.gone()
    assert found.exit == Exit(code=0)
    assert one.log.tail(1) == ["end"]
    assert found.log_offset == one.log.size == sum(len(f"{number}\n") for number in range(1, 20001)) + len("begin\nend\n")
    assert found.log_dropped > 0
    assert skipped(one) >= found.log_dropped
    assert living(before.seen) == []


def unread(pid: int) -> int:
    """Bytes in the engine's output pipe (FIONREAD, pipe(7))."""
    handle = os.open(f"/proc/{pid}/fd/1", os.O_RDONLY | os.O_NONBLOCK)
    try:
        return int(struct.unpack("i", fcntl.ioctl(handle, termios.FIONREAD, b"\0" * 4))[0])
    finally:
        os.close(handle)


def stopped(pid: int) -> bool:
    found = tree.processes().get(pid)
    return found is not None and found.state == "T"


def skipped(one: Instance) -> int:
    return sum(chunk.skipped for chunk in one.log.chunks())


def test_the_record_is_never_torn(small: Places) -> None:
    """With room for a part of it, the write of a record is refused whole, and the reserved place takes it."""
    folder = small.instance("one-x")
    folder.mkdir()
    records.reserve(folder)
    found = records.Record("one-x", 1, 1)
    records.write(folder, found)
    filler = fill(small.root)
    os.truncate(filler, filler.stat().st_size - 4096)
    for number in range(50):
        found.last_lines = ["x" * 400] * (number % 40)
        records.write(folder, found)
        again = records.read(folder)
        assert again == found


async def test_the_log_gives_way_oldest_first(small: Places) -> None:
    """What is new is worth more than what was in the ring before it; the beginning stays."""
    one = Instance(small, ["/bin/sh", "-c", "seq 1 20000; kill -STOP $$; seq 1 2000; echo end"], log_bytes=32768)
    before = await one.start()
    await eventually(lambda: stopped(before.engine_pid or 0))
    await eventually(lambda: one.log.tail(1) == ["20000"])
    fill(small.root)
    await one.link.signal(signal.SIGCONT)
    found = await one.gone()
    assert one.log.first(1).lines == [b"1"]
    assert one.log.tail(1) == ["end"]
    assert found.log_dropped == 0
