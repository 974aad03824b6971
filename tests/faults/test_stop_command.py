"""The recipe's own way to stop an engine, in place of SIGTERM: run by the shim as an argv list, with real processes."""

from __future__ import annotations

import signal
import sys

import pytest

from studio_core.paths import Places
from studio_core.supervisor.record import Exit
from tests.instance import Instance

# An argument that a shell would run.
HOSTILE = "$(kill -9 $PPID); `id`; {pid}"


def python(code: str, *words: str) -> list[str]:
    return [sys.executable, "-c", code, *words]


async def test_it_is_run_with_pid_and_port_and_no_shell(places: Places) -> None:
    say = "import os, signal, sys; print('stopping', sys.argv[1:], flush=True); os.kill(int(sys.argv[1]), signal.SIGUSR1)"
    one = Instance(places, stop_command=python(say, "{pid}", "port={port}", HOSTILE, "{other}"))
    await one.start()
    await one.listening()
    pid = one.record.engine_pid
    await one.link.stop(20.0)
    found = await one.gone()
    assert (found.exit, found.asked) == (Exit(signal=signal.SIGUSR1), True)
    told = next(line for line in found.last_lines if line.startswith("stopping"))
    assert told == f"stopping {[str(pid), f'port={one.port}', HOSTILE.replace('{pid}', str(pid)), '{other}']}"


@pytest.mark.parametrize(("command", "said"), [
    (["/nowhere/stop"], "cannot execute the stop command /nowhere/stop: No such file or directory"),
    (python("raise SystemExit(3)"), "the stop command failed with 3: SIGTERM follows"),
])
async def test_sigterm_follows_a_command_that_fails(places: Places, command: list[str], said: str) -> None:
    one = Instance(places, stop_command=command)
    await one.start()
    await one.listening()
    await one.link.stop(20.0)
    found = await one.gone()
    assert found.exit == Exit(code=0)
    assert said in one.log.tail(10)


async def test_after_the_grace_command_and_engine_are_killed(places: Places) -> None:
    one = Instance(places, stop_command=python("import time; time.sleep(600)"))
    await one.start()
    await one.listening()
    await one.link.stop(0.3)
    assert (await one.gone()).exit == Exit(signal=signal.SIGKILL)
    assert one.members() == []


async def test_one_that_ends_by_itself_was_not_asked(places: Places) -> None:
    one = Instance(places, exit_after_s=0, exit_code=3)
    await one.start()
    found = await one.gone()
    assert (found.exit, found.asked) == (Exit(code=3), False)
