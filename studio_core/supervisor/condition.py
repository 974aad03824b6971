"""What an instance was asked to do since it started, on disk in its folder: a new controller finds it as it is."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any


class Condition:
    """`asleep` is the level at which it sleeps, `adapters` the LoRA adapters that were loaded since its start: name → path."""

    def __init__(self, folder: Path) -> None:
        self._asleep, self._adapters = folder / "asleep", folder / "adapters.json"
        level, adapters = _read(self._asleep), _read(self._adapters)
        self.asleep: int | None = level if isinstance(level, int) else None
        self.adapters: dict[str, str] = adapters if isinstance(adapters, dict) else {}

    def sleeps(self, level: int) -> None:
        """Raises OSError: then nothing is to be asked of the engine."""
        _write(self._asleep, level)
        self.asleep = level

    def wakes(self) -> None:
        self._asleep.unlink(missing_ok=True)
        self.asleep = None

    def adapts(self, adapters: dict[str, str]) -> None:
        """Raises OSError."""
        _write(self._adapters, adapters)
        self.adapters = adapters


def _read(path: Path) -> Any:
    with contextlib.suppress(OSError, ValueError):
        return json.loads(path.read_text(encoding="utf-8"))
    return None


def _write(path: Path, value: Any) -> None:
    fresh = path.with_suffix(".new")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(value, file)
    fresh.replace(path)
