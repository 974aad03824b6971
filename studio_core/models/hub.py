"""The models in the hub's cache: `models--org--name/snapshots/<revision>` stands for the id `org/name`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from studio_core.models import facts

PREFIX = "models--"
LIMIT = 1000


def ids(environ: Mapping[str, str]) -> Iterator[tuple[str, Path]]:
    """(id, the snapshot that it stands for), by id."""
    try:
        folders = sorted(one.name for one in facts.hub(environ).iterdir() if one.name.startswith(PREFIX))
    except OSError:
        return
    for name in folders[:LIMIT]:
        model = name.removeprefix(PREFIX).replace("--", "/", 1)
        snapshot = facts.cached(model, environ)
        if snapshot is not None:
            yield model, snapshot
