"""What the app remembers from one run to the next: `app.json` in the state directory, a block for each server that was driven."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any

NAME = "app.json"
VERSION = 1
# A draft may be long; a file that is longer than all of them is not ours.
LIMIT = 4 * 1024 * 1024


class Memory:
    """`theme`, and for each server what its rooms said of themselves. What is read from the file is checked by who uses it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._kept = ""
        self.complaint = ""
        self._data = self._read()

    def _read(self) -> dict[str, Any]:
        try:
            text = self._path.read_text(encoding="utf-8") if self._path.stat().st_size <= LIMIT else ""
            data = json.loads(text)
            if not isinstance(data, dict) or data.get("version") != VERSION:
                raise ValueError(f"it is not of version {VERSION}")
        except FileNotFoundError:
            return _nothing()
        except (OSError, ValueError) as error:
            self._set_aside(error)
            return _nothing()
        self._kept = text
        return data

    def _set_aside(self, error: Exception) -> None:
        aside = self._path.with_name(f"{NAME}.broken")
        with contextlib.suppress(OSError):
            self._path.replace(aside)
        self.complaint = f"what the app remembered cannot be read ({error}): begun anew, the old file is {aside.name}"

    @property
    def theme(self) -> str:
        return str(self._data.get("theme", ""))

    @theme.setter
    def theme(self, name: str) -> None:
        self._data["theme"] = name

    def server(self, url: str) -> dict[str, Any]:
        """The block of a server: `room`, and `rooms` with what each said."""
        servers = _mapping(self._data, "servers")
        block = _mapping(servers, url)
        _mapping(block, "rooms")
        return block

    def forget(self) -> None:
        self._data = _nothing()

    def save(self) -> None:
        """Write it if it has changed: whole or not at all. Where it cannot be written the app goes on."""
        text = json.dumps(self._data, ensure_ascii=False, indent=1)
        if text == self._kept:
            return
        fresh = self._path.with_name(f"{NAME}.{os.getpid()}.new")
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with os.fdopen(handle, "w", encoding="utf-8", errors="surrogatepass") as file:
                file.write(text)
            fresh.replace(self._path)
            self._kept = text
        except (OSError, UnicodeError):
            with contextlib.suppress(OSError):
                fresh.unlink(missing_ok=True)


def _nothing() -> dict[str, Any]:
    return {"version": VERSION, "servers": {}}


def _mapping(of: dict[str, Any], name: str) -> dict[str, Any]:
    """The mapping of that name, made where there is none or something else."""
    found = of.get(name)
    if not isinstance(found, dict):
        found = of[name] = {}
    return found
