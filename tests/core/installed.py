"""An installed engine in miniature: an environment whose interpreter answers the probe, and counts how often it was asked."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

Change = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Installed:
    """`version` is in the name of its metadata folder; a new folder is another version."""

    folder: Path
    engine: str

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    @property
    def asked(self) -> int:
        log = self.folder / "asked"
        return len(log.read_text().splitlines()) if log.exists() else 0

    def upgrade(self, version: str) -> None:
        site = self.folder / "lib" / "python3.11" / "site-packages"
        for one in site.glob("*.dist-info"):
            one.rename(site / f"{self.engine}-{version}.dist-info")


def install(folder: Path, engine: str, change: Change = lambda _: None, answers: bool = True) -> Installed:
    """Its answer is the shipped table after `change`; without `answers` it fails as an engine that cannot be imported."""
    (folder / "bin").mkdir(parents=True)
    (folder / "lib" / "python3.11" / "site-packages" / f"{engine}-9.0.dist-info").mkdir(parents=True)
    table = json.loads((files("studio_core.engines") / "data" / f"{engine}_flags.json").read_text(encoding="utf-8"))
    table["version"] = "9.0"
    change(table)
    (folder / "answer.json").write_text(json.dumps(table))
    told = f"exec /bin/cat {folder}/answer.json" if answers else "echo ImportError: libcuda.so.1 >&2; exit 1"
    for name, text in (("python", f"#!/bin/sh\necho asked >> {folder}/asked\n{told}\n"), (engine, f"#!{folder}/bin/python\n")):
        (folder / "bin" / name).write_text(text)
        (folder / "bin" / name).chmod(0o755)
    return Installed(folder, engine)


def flag(table: dict[str, Any], name: str) -> dict[str, Any]:
    """The row of a flag, to be changed."""
    found: dict[str, Any] = next(row for row in table["flags"] if name in (row["flag"], *row.get("aliases", ())))
    return found


def without(table: dict[str, Any], name: str) -> None:
    table["flags"].remove(flag(table, name))
