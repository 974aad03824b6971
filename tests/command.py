"""`studio ...` as a person runs it: another process, its exit code and what it printed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from studio_core.paths import daemon_environment

SECONDS = 120


class Command:
    """The command line on one state directory; `home` is where it finds its user's files."""

    def __init__(self, root: Path, *options: str, home: Path | None = None, **environ: str) -> None:
        kept = {name: text for name, text in daemon_environment().items() if not name.startswith(("VLLM_STUDIO_", "XDG_"))}
        self.argv = [sys.executable, "-m", "studio_core", "--state", str(root), *options]
        self.environ = {**kept, "HOME": str(home or root), **environ}

    def __call__(self, *words: str, said: str | None = "", **environ: str) -> subprocess.CompletedProcess[str]:
        """Run it to its end; `said` is what it reads."""
        return subprocess.run(
            [*self.argv, *words], input=said, env={**self.environ, **environ}, capture_output=True, text=True, timeout=SECONDS,
            check=False,
        )

    def good(self, *words: str, said: str = "") -> str:
        """What it printed; it must have succeeded without a word on stderr."""
        done = self(*words, said=said)
        assert (done.returncode, done.stderr) == (0, ""), done
        return done.stdout

    def data(self, *words: str) -> Any:
        return json.loads(self.good(*words, "--json"))

    def bad(self, *words: str, code: int = 1, said: str = "", **environ: str) -> str:
        """Its one line of error, without the word before it."""
        return one_line(self(*words, said=said, **environ), code)

    def start(self, *words: str, environ: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        """Start it and leave it running; its output is to be read."""
        return subprocess.Popen(
            [*self.argv, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, **self.environ, **(environ or {})},
        )


def one_line(done: subprocess.CompletedProcess[str], code: int = 1) -> str:
    lines = done.stderr.splitlines()
    assert done.returncode == code and len(lines) == 1 and lines[0].startswith("error: "), done
    return lines[0].removeprefix("error: ")
