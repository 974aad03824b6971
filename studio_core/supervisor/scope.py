"""A systemd scope of its own for a long-lived process: neither a login's end nor a service's is its end.

Standard library only, for the shim. Facts: org.freedesktop.systemd1(5) StartTransientUnit, systemd.exec(5)
SYSTEMD_EXEC_PID, cgroups(7), busctl(1).
"""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

# What busctl may take, and then the manager to move us.
CALL_S, MOVE_S, PAUSE_S = 2.0, 1.0, 0.005
MANAGER = ("org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager", "StartTransientUnit")


def enter(name: str) -> bool:
    """Move this process, before it has children, into the scope `name` of its user's manager; False where it stays.

    It stays where no user manager can be reached, and where it is a service's main process itself.
    """
    if os.environ.get("SYSTEMD_EXEC_PID") == str(os.getpid()) or not reachable():
        return False
    before = unit()
    call = ("busctl", "--user", "--quiet", f"--timeout={CALL_S:.0f}", "call", *MANAGER, "ssa(sv)a(sa(sv))", f"{name}.scope", "fail",
            "2", "PIDs", "au", "1", str(os.getpid()), "CollectMode", "s", "inactive-or-failed", "0")
    return _run(call) and _moved(before)


def unit() -> str:
    """The systemd unit in which this process is, as its cgroup's path; empty when that cannot be read."""
    try:
        rows = [line.split(":", 2) for line in Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines()]
    except OSError:
        return ""
    # The unified hierarchy, or systemd's own of the older ones.
    return next((path for _, kind, path in rows if kind == "name=systemd"), next((path for _, kind, path in rows if not kind), ""))


def runtime_dir() -> Path:
    """The user's runtime folder; a login's environment may lack the variable."""
    return Path(os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}")


def reachable() -> bool:
    """Whether the manager of this user takes connections."""
    link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        link.connect(str(runtime_dir() / "systemd" / "private"))
    except OSError:
        return False
    finally:
        link.close()
    return True


def _run(argv: tuple[str, ...]) -> bool:
    """Whether the program ended well in time; quiet."""
    silence = [(os.POSIX_SPAWN_OPEN, number, "/dev/null", os.O_RDWR, 0) for number in range(3)]
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(runtime_dir())}
    try:
        pid = os.posix_spawnp(argv[0], argv, environment, file_actions=silence)
    except OSError:
        return False
    deadline = time.monotonic() + CALL_S
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status) == 0
        if time.monotonic() > deadline:
            os.kill(pid, 9)
            os.waitpid(pid, 0)
            return False
        time.sleep(PAUSE_S)


def _moved(before: str) -> bool:
    """The manager answers when the job is queued; what we start before it is done would stay behind."""
    deadline = time.monotonic() + MOVE_S
    while unit() == before:
        if time.monotonic() > deadline:
            return False
        time.sleep(PAUSE_S)
    return True
