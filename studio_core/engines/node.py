"""An engine over several machines: what a person runs on those that Studio is not on."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

RAY_PORT = 6379


@dataclass(frozen=True, slots=True)
class Line:
    """A command for one host."""

    host: str
    argv: tuple[str, ...]

    @property
    def shell(self) -> str:
        return shlex.join(self.argv)


def ray(hosts: Sequence[str]) -> list[Line]:
    """A Ray cluster: the head here first, then its workers; the engine is started when all have joined."""
    head, *workers = hosts or [""]
    return [
        Line(head, ("ray", "start", "--head", f"--port={RAY_PORT}")),
        *(Line(host, ("ray", "start", f"--address={head}:{RAY_PORT}")) for host in workers),
    ]
