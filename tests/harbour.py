"""A scripted container runtime with one image, and a look at what it has."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ENGINES = Path(__file__).parent / "engines"
IMAGE = "scripted:latest"


@dataclass(frozen=True)
class Harbour:
    """`program` is its client; `home` the daemon's folder, which DOCKER_HOST must name."""

    program: Path
    home: Path

    @property
    def host(self) -> str:
        return f"scripted://{self.home}"

    def calls(self, verb: str) -> list[list[str]]:
        """The command lines that began with the verb, without it."""
        path = self.home / "calls"
        rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        return [words for first, *words in rows if first == verb]

    def containers(self) -> list[dict[str, Any]]:
        """What is there, running or not: configuration and state."""
        found = []
        for folder in sorted((self.home / "containers").glob("*/")):
            # It may be removed while we look.
            with contextlib.suppress(FileNotFoundError):
                parts = [json.loads((folder / name).read_text()) for name in ("config.json", "state.json")]
                found.append({"id": folder.name, **parts[0], **parts[1]})
        return found

    def down(self) -> None:
        (self.home / "down").touch()

    def up(self) -> None:
        (self.home / "down").unlink()


@contextlib.contextmanager
def harbour(folder: Path) -> Iterator[Harbour]:
    """A daemon with its files in `folder`, nobody's child but ours; what runs in its containers ends with it.

    The image runs the scripted engine, by its own entry point or as `vllm`.
    """
    (folder / "images").mkdir()
    one = Harbour(folder / "docker", folder)
    script = ENGINES / "docker.py"
    one.program.write_text(f"#!/bin/sh\nexec {sys.executable} {script} \"$@\"\n")
    one.program.chmod(0o755)
    engine = [sys.executable, str(ENGINES / "scripted.py")]
    (folder / "images" / f"{IMAGE}.json").write_text(json.dumps({"entrypoint": engine, "programs": {"vllm": engine}}))
    environ = {"PATH": os.environ["PATH"], "DOCKER_HOST": one.host}
    with subprocess.Popen([sys.executable, str(script), "daemon"], stdin=subprocess.PIPE, env=environ, cwd="/") as daemon:
        try:
            yield one
        finally:
            assert daemon.stdin is not None
            daemon.stdin.close()
