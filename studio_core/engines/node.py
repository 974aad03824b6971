"""An engine over several machines: what a person runs on those that Studio is not on."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from studio_core.engines.variable import is_secret

RAY_PORT = 6379


@dataclass(frozen=True, slots=True)
class Line:
    """A command for one host, with the recipe's variables: what the processes of one engine must agree on."""

    host: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)

    @property
    def shell(self) -> str:
        """For a shell there; a secret is taken from its own environment."""
        pairs = (f'{name}="${name}"' if is_secret(name) else f"{name}={shlex.quote(value)}" for name, value in self.env.items())
        return " ".join((*pairs, shlex.join(self.argv)))


def ray(hosts: Sequence[str], env: Mapping[str, str]) -> list[Line]:
    """A Ray cluster: the head here first, then its workers; the engine is started when all have joined."""
    head, *workers = hosts or [""]
    return [
        Line(head, ("ray", "start", "--head", f"--port={RAY_PORT}"), env),
        *(Line(host, ("ray", "start", f"--address={head}:{RAY_PORT}"), env) for host in workers),
    ]
