"""Scopes of their own, with a real systemd user manager in a runtime folder of its own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from studio_core.supervisor import scope
from tests.house import house
from tests.wait import wait_until

BOOTED = Path("/run/systemd/system")


@pytest.fixture
def manager(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A user manager that nothing else uses. It refuses to run where systemd did not boot the machine, unless that looks so."""
    program = shutil.which("systemd") or next((one for one in ("/lib/systemd/systemd",) if os.access(one, os.X_OK)), None)
    if program is None or shutil.which("busctl") is None:
        pytest.skip("systemd is not installed: scopes were not tried")
    runtime = Path(tempfile.mkdtemp(prefix="xr-"))
    pretended = not BOOTED.exists() and os.getuid() == 0
    if pretended:
        BOOTED.mkdir(parents=True)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS", raising=False)
    process = subprocess.Popen([program, "--user"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                               start_new_session=True)
    try:
        wait_until(lambda: process.poll() is not None or scope.reachable())
        if process.poll() is not None:
            pytest.skip("a systemd user manager does not run here: scopes were not tried")
        yield runtime
    finally:
        process.send_signal(signal.SIGRTMIN + 24)
        process.wait(60)
        if pretended:
            BOOTED.rmdir()
        shutil.rmtree(runtime, ignore_errors=True)


def unit_of(pid: int | None) -> str:
    return Path(f"/proc/{pid}/cgroup").read_text(encoding="utf-8")


def test_each_process_has_a_scope_of_its_own(manager: Path, tmp_path: Path) -> None:
    with house(tmp_path) as home:
        home.recipe("one")
        found, status = home.launch("one"), home.status()
        units = {pid: unit_of(pid) for pid in (status.controller.pid, status.gateway.pid, found.shim_pid)}
        assert "studio-controller-" in units[status.controller.pid]
        assert "studio-gateway-" in units[status.gateway.pid]
        assert f"studio-engine-{found.id}.scope" in units[found.shim_pid]
        assert unit_of(found.engine_pid) == units[found.shim_pid]
        # The end of the controller's unit is nobody else's.
        mine = f"studio-controller-{status.controller.pid}.scope"
        subprocess.run(["systemctl", "--user", "kill", "--signal=SIGKILL", mine], check=True)
        wait_until(lambda: home.status().controller.pid != status.controller.pid)
        assert home.instance("one").engine_pid == found.engine_pid


def test_without_a_manager_a_process_stays_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    before = scope.unit()
    assert scope.enter("studio-nothing") is False
    assert scope.unit() == before


def test_a_service_s_main_process_stays_in_its_service(manager: Path) -> None:
    pretend = "import os; os.environ['SYSTEMD_EXEC_PID'] = str(os.getpid())"
    program = f"{pretend}; from studio_core.supervisor import scope; print(scope.enter('x'))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
