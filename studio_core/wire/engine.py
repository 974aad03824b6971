"""Engines of the machine, and installing one."""

from __future__ import annotations

from studio_core.wire.model import Model


class Installed(Model):
    """An engine on this machine. `place` is an interpreter, a program, a folder or a package; `origin` says who named it.

    `can`: on which devices of this machine it runs, and what it can be asked then (sleep, adapters, slots).
    """

    engine: str
    version: str = ""
    place: str = ""
    origin: str = ""
    usable: bool = False
    can: list[str] = []
    note: str = ""


class Job(Model):
    """Installing an engine. `state` is running, done, failed or none."""

    engine: str
    version: str = ""
    state: str = "none"
    code: int | None = None
    log_file: str = ""


class Engines(Model):
    """GET /engines."""

    engines: list[Installed] = []
    jobs: list[Job] = []


class Adapter(Model):
    """A LoRA adapter of a running engine. `origin` is recipe, or loaded: then it is gone when the engine ends."""

    name: str
    path: str = ""
    origin: str = "loaded"
    scale: float | None = None
