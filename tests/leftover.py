"""Finds and ends what a test left running: nothing that belongs to a test's state directory may outlive the test."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path

from studio_core.supervisor import identity
from studio_core.supervisor.tree import MARK


@dataclass(frozen=True)
class Leftover:
    pid: int
    ticks: int
    command: str


def find(state_dir: Path) -> list[Leftover]:
    """Every other process whose command line or environment names the directory or one of its instances."""
    traits = [os.fsencode(state_dir), *(f"{MARK}={name}".encode() for name in _instances(state_dir))]
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) in _lineage():
            continue
        pid, ticks = int(name), identity.ticks(int(name))
        command = _read(pid, "cmdline")
        if ticks is not None and any(trait in command or trait in _read(pid, "environ") for trait in traits):
            found.append(Leftover(pid, ticks, command.replace(b"\0", b" ").decode(errors="replace").strip()))
    return [one for one in found if identity.alive(one.pid, one.ticks)]


def end(found: list[Leftover]) -> None:
    for one in found:
        identity.signal(one.pid, one.ticks, signal.SIGKILL)


def _instances(state_dir: Path) -> list[str]:
    return [folder.name for group in ("instances", "history") for folder in (state_dir / group).glob("*")]


def _lineage() -> set[int]:
    """We and those who started us: they may have been given the directory on purpose."""
    pid, found = os.getpid(), set[int]()
    while pid > 0 and pid not in found:
        found.add(pid)
        fields = identity.stat_fields(pid)
        pid = int(fields[1]) if fields else 0
    return found


def _read(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""
