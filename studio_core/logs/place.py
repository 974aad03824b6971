"""Where the log of an engine or a daemon lies in a state directory on this machine."""

from __future__ import annotations

import re
from pathlib import Path

from studio_core.paths import Places

# Names never lead out of their folders.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}\Z")


def find(state_dir: Path, log_id: str) -> str | None:
    """The file or the folder of segments; None where there is none."""
    if not NAME.match(log_id):
        return None
    places = Places(state_dir)
    candidates = (places.logs / f"{log_id}.log", places.instance(log_id) / "log", places.history / log_id / "log")
    return next((str(path) for path in candidates if path.exists()), None)
