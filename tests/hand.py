"""An engine that a person started by hand: the scripted engine under a command line that is llama-server's."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from studio_core.supervisor import identity, port, tree
from tests.wait import wait_until

SCRIPT = Path(__file__).parent / "engines" / "scripted.py"


@dataclass
class Hand:
    """`told` is where it writes down the signals that it got, as far as they can be caught."""

    process: subprocess.Popen[bytes]
    port: int
    told: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def ticks(self) -> int:
        return identity.ticks(self.pid) or 0

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def signals(self) -> list[int]:
        return [int(line) for line in self.told.read_text().split()]


@contextlib.contextmanager
def hand(
    folder: Path, number: int, *words: str, model: str = "/models/tiny.gguf", become: Sequence[str] = (),
    python: str = sys.executable, environ: dict[str, str] | None = None, script: Path = SCRIPT, **switches: Any,
) -> Iterator[Hand]:
    """Until it listens. Its program is a link named llama-server; `become` goes before it (another user)."""
    program, told = folder / "llama-server", folder / f"signals-{number}"
    if not program.is_symlink():
        program.symlink_to(script)
    told.touch()
    told.chmod(0o666)
    switches = {"record_signals": str(told), **switches}
    argv = [*become, python, str(program), "-m", model, "--port", str(number), *words]
    process = subprocess.Popen(
        argv, env={"PATH": os.environ["PATH"], **(environ or {}), "SCRIPT": json.dumps(switches)}, cwd="/",
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )
    try:
        if not switches.get("start_s"):
            wait_until(lambda: listens(process.pid) or process.poll() is not None, what="it listens")
            assert process.poll() is None
        yield Hand(process, number, told)
    finally:
        ticks = identity.ticks(process.pid)
        if ticks is not None:
            tree.end(tree.Traits(f"hand-{process.pid}", seen=[(process.pid, ticks)]))
        process.wait()


def listens(pid: int) -> bool:
    return bool((port.sockets(pid) or set()) & set(port.listeners()))
