"""Engines that Studio did not start."""

from __future__ import annotations

from studio_core.wire.model import Model


class Foreign(Model):
    """An engine that somebody else started. Studio never signals it unless a person asks for it by `name`.

    `pid` and `ticks` (its start, in clock ticks since boot) name it for good. `state` is ready (it lists its models), keyed (it
    wants a key for that), loading (no listener yet) or silent. `proof` tells how its port is known: tree (its own processes
    hold the socket), owner (the socket is its user's, more cannot be seen) or nothing. `attached` is the name under which the
    gateway serves it. `memory_bytes` is GPU memory, None where the driver does not tell.
    """

    pid: int
    ticks: int
    name: str
    engine: str
    state: str
    model: str = ""
    served_names: list[str] = []
    host: str = ""
    port: int | None = None
    proof: str = ""
    owner: str = ""
    uid: int = -1
    memory_bytes: int | None = None
    age_s: float = 0.0
    attached: str | None = None
    running: int | None = None
    waiting: int | None = None
    note: str = ""


class Attach(Model):
    """Body of POST /foreign/{pid}/attach: the name to serve it under, the key that it wants, its start ticks as they were shown."""

    name: str = ""
    key: str = ""
    ticks: int | None = None


class ForeignStop(Model):
    """Body of POST /foreign/{pid}/stop: the start ticks that were shown, and its name as the person's word that it is meant."""

    ticks: int = 0
    confirm: str = ""
    force: bool = False
