"""What an engine is started with: written by the controller before the shim is exec'ed. Standard library only."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from studio_core.supervisor.identity import here

PROTOCOL = 1
# Written beside it and renamed: whoever reads sees the whole of one or of the other.
FRESH = "spec.json.new"


@dataclass(frozen=True)
class Spec:
    """One start of one recipe. `recipe` is its snapshot: a running instance lives by it, whatever becomes of the recipe.

    So many `restarts` in a row, each after a crash, led to it.
    `container` is the program of the runtime that runs it, empty where none does. `origin` is who asked for it, as of the last
    `amend`; empty in a spec of an earlier version.
    """

    instance: str
    recipe_id: str
    launch_id: str
    argv: list[str]
    env: dict[str, str]
    cwd: str
    host: str
    port: int
    api_key: str
    grace_s: float
    engine: str
    served_names: list[str]
    recipe: dict[str, Any]
    log_head_bytes: int
    log_segment_bytes: int
    log_segments: int
    machine: str
    boot: str
    pidns: int
    created_at: str
    files: dict[str, str] = field(default_factory=dict)
    stop_command: list[str] = field(default_factory=list)
    restarts: int = 0
    container: str = ""
    origin: str = ""
    protocol: int = PROTOCOL


def new(**values: Any) -> Spec:
    """A spec of this machine and moment."""
    me = here(os.getpid())
    created = datetime.now(timezone.utc).isoformat()  # noqa: UP017 - the shim shares this module and imports lean
    return Spec(machine=me.machine, boot=me.boot, pidns=me.pidns, created_at=created, **values)


def write(folder: Path, spec: Spec) -> None:
    """Create the instance's folder (0700), its files and its spec (0600)."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = folder / FRESH
    try:
        _place(fresh, json.dumps(asdict(spec)))
        for name, text in spec.files.items():
            _place(folder / name, text)
        fresh.replace(folder / "spec.json")
    except OSError:
        # A part of it would be secrets that nobody knows of.
        for path in (fresh, *(folder / name for name in spec.files)):
            path.unlink(missing_ok=True)
        raise


def amend(folder: Path, **changes: Any) -> None:
    """Change what a spec says that its engine does not live by. Raises OSError or ValueError; then it says what it said."""
    fresh = folder / FRESH
    text = json.dumps(asdict(replace(read(folder), **changes)))
    try:
        _place(fresh, text)
        fresh.replace(folder / "spec.json")
    except OSError:
        fresh.unlink(missing_ok=True)
        raise


def _place(path: Path, text: str) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)


def read(folder: Path) -> Spec:
    """The spec of an instance; unknown fields are ignored. Raises OSError or ValueError."""
    data = json.loads((folder / "spec.json").read_text(encoding="utf-8"))
    if not isinstance(data, dict):
        raise ValueError(f"{folder}/spec.json is not an object")
    known = {one.name for one in fields(Spec)}
    try:
        return Spec(**{name: value for name, value in data.items() if name in known})
    except TypeError as error:
        raise ValueError(f"{folder}/spec.json: {error}") from error
