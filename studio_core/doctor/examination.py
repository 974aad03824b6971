"""All checks, one after the other. One that cannot be made is a finding too, and never hides the others."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator

from studio_core.doctor import engine, gpu, house, limit, network, place, session, terminal, version
from studio_core.doctor.finding import WARN, Finding
from studio_core.doctor.subject import Subject
from studio_core.errors import StudioError

Check = Callable[[Subject], Iterator[Finding]]

CHECKS: tuple[Check, ...] = (
    version.python, version.sqlite, version.libraries,
    place.folder, place.modes, place.disk,
    house.controller, house.gateway, house.notices,
    network.gateway_port, network.inference_port, network.exposure, network.engines,
    session.logout,
    terminal.characters, terminal.tmux,
    gpu.nvml, limit.shared_memory, limit.open_files,
    engine.found,
)


def examine(subject: Subject) -> Iterator[Finding]:
    """The findings as they are made."""
    for check in CHECKS:
        name = f"{check.__module__.rpartition('.')[2]} {check.__name__}"
        try:
            yield from check(subject)
        except (OSError, ValueError, LookupError, StudioError, subprocess.SubprocessError) as error:
            yield Finding(name, WARN, f"could not be checked: {error}", "", "run it again as the owner of the state directory")
