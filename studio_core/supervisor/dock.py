"""The controller's way to the container of an instance, and which processes of this machine run in it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from studio_core.supervisor import identity
from studio_core.supervisor.container import ANSWER_S, NO_ANSWER, Container
from studio_core.supervisor.spec import Spec


def container(spec: Spec, folder: Path) -> Container | None:
    """The instance's container; None for an engine without one. Its calls block: use them in a thread."""
    if not spec.container:
        return None

    def ask(words: list[str]) -> tuple[int, str]:
        try:
            done = subprocess.run(
                [spec.container, *words], env=spec.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL, text=True, errors="replace", timeout=ANSWER_S, check=False, cwd="/",
            )
        except (subprocess.TimeoutExpired, OSError):
            return NO_ANSWER, ""
        return done.returncode, done.stdout

    return Container(spec.instance, folder, ask)


def inside(container_id: str) -> list[tuple[int, int]]:
    """(pid, ticks) of the processes in a container's control group; none where the runtime is on another machine."""
    found = []
    for name in os.listdir("/proc") if container_id else ():
        if name.isdigit() and is_inside(int(name), container_id):
            ticks = identity.ticks(int(name))
            if ticks is not None:
                found.append((int(name), ticks))
    return found


def is_inside(pid: int, container_id: str) -> bool:
    """Whether a process's control group is named after the container (docker-ID.scope, libpod-ID.scope, docker/ID)."""
    try:
        return bool(container_id) and container_id in Path(f"/proc/{pid}/cgroup").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
