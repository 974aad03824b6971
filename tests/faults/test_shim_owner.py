"""A process that the shim may not kill: named, asked after now and then, and no storm of signals. Under a second uid."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from studio_core.paths import Places
from studio_core.supervisor import identity, tree
from studio_core.supervisor import record as records
from studio_core.supervisor import spec as specs
from studio_core.supervisor.record import Exit, Record
from tests.instance import Instance
from tests.wait import wait_until

OWNER, OTHER = 61001, 61002
# The interpreter finds our code, and itself for the shim.
USABLE = """
import subprocess, sys
import studio_core.supervisor.shim_link
subprocess.run([sys.executable, "-c", "import studio_core.shim"], check=True)
"""
START = """
import asyncio, pathlib, sys
from studio_core.paths import Places
from studio_core.supervisor import spec
from studio_core.supervisor.shim_link import start
places = Places(pathlib.Path(sys.argv[1]))
asyncio.run(start(places, spec.read(places.instance(sys.argv[2]))))
"""
ROOT = Path(__file__).parent.parent.parent


def as_owner(*argv: str) -> subprocess.CompletedProcess[str]:
    """Run a command as the second uid."""
    become = ["setpriv", f"--reuid={OWNER}", f"--regid={OWNER}", "--clear-groups"]
    environment = {"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]}
    return subprocess.run([*become, *argv], capture_output=True, text=True, cwd="/", env=environment)


@pytest.fixture
def python() -> str:
    """An interpreter that the second uid may run, with our code in its reach."""
    if os.getuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("a second uid needs root and setpriv")
    for candidate in (sys.executable, "/usr/bin/python3"):
        if as_owner(candidate, "-c", USABLE).returncode == 0:
            return candidate
    pytest.skip("no Python here that another uid may run with this checkout")


@pytest.fixture
def owned(places: Places) -> Iterator[Instance]:
    """An instance of the second uid, whose engine has a child of a third: by a setuid copy of setpriv, as `sudo` would."""
    climb = places.root / "climb"
    shutil.copy(shutil.which("setpriv") or "", climb)
    climb.chmod(0o4755)
    child = f"{climb} --reuid={OTHER} --clear-groups sleep 600"
    one = Instance(places, ["/bin/sh", "-c", f"{child} & sleep 600"])
    specs.write(one.folder, one.spec)
    for path in (places.root, *places.root.rglob("*")):
        if path != climb:
            os.chown(path, OWNER, OWNER)
    yield one
    for found in tree.find(tree.Traits(one.id)):
        identity.signal(found.pid, found.ticks, signal.SIGKILL)
    wait_until(lambda: not records.is_locked(one.folder))
    os.chown(places.root, os.getuid(), os.getgid())


def test_a_process_of_another_uid_is_named_and_left_alone(owned: Instance, places: Places, python: str) -> None:
    done = as_owner(python, "-c", START, str(places.root), owned.id)
    assert done.returncode == 0, done.stderr
    foreign = wait_until(lambda: others(owned.record), what="the child of the third uid runs")
    assert foreign is not None
    wait_until(lambda: len(owned.record.seen) == 3)
    os.kill(owned.record.shim_pid, signal.SIGTERM)
    stuck = wait_until(lambda: found if (found := owned.record).state == records.STUCK else None)
    assert stuck is not None
    assert stuck.left == [foreign]
    assert stuck.exit == Exit(signal=signal.SIGTERM)
    assert f"pid {foreign} of uid {OTHER}, state S" in tree.describe(foreign)
    spent = cpu(stuck.shim_pid)
    # Until it has tried once more: then it has written the record once more.
    wait_until(lambda: owned.record.serial > stuck.serial)
    assert cpu(stuck.shim_pid) - spent < 0.5 * os.sysconf("SC_CLK_TCK")
    assert owned.record.left == [foreign]
    os.kill(foreign, signal.SIGKILL)
    wait_until(lambda: owned.record.state == records.GONE)


def others(record: Record) -> int | None:
    """The pid of the engine's child once it is of the third uid."""
    for pid, _ in record.seen:
        if os.path.exists(f"/proc/{pid}") and os.stat(f"/proc/{pid}").st_uid == OTHER:
            return pid
    return None


def cpu(pid: int) -> int:
    """Clock ticks of processor time (proc(5))."""
    fields = identity.stat_fields(pid)
    assert fields is not None
    return int(fields[11]) + int(fields[12])
