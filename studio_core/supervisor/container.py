"""The container of an instance, asked through its runtime's program. Standard library only: the shim uses it too.

It is known by its label, whoever of its client, shim and controller lives. What the runtime does not answer is unknown, and
unknown is not gone.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

LABEL, CID_FILE = "studio.instance", "cid"
# Runs the runtime's program with these words: its exit code and what it printed. 124: it did not answer in time.
Ask = Callable[[list[str]], "tuple[int, str]"]
ANSWER_S = 8.0
NO_ANSWER = 124
# The client's own exit code when the daemon refused, and from where on a code means a signal (docker run, "Exit Status").
REFUSED, SIGNALLED = 125, 128


class Container:
    """`ask` is how its holder runs programs."""

    def __init__(self, instance: str, folder: Path, ask: Ask) -> None:
        self._instance = instance
        self._folder = folder
        self._ask = ask

    @property
    def id(self) -> str:
        """Its id once the runtime has made it; empty before."""
        try:
            return (self._folder / CID_FILE).read_text(encoding="ascii").strip()
        except (OSError, ValueError):
            return ""

    def ids(self) -> list[str] | None:
        """Those that bear the label, running or not; None when the runtime does not answer."""
        code, text = self._ask(["ps", "--all", "--quiet", "--no-trunc", "--filter", f"label={LABEL}={self._instance}"])
        return text.split() if code == 0 else None

    def remove(self) -> bool:
        """Kill and remove it. True when the runtime says that there is none: asked twice, for one may just be in the making."""
        empty = 0
        for _ in range(4):
            found = self.ids()
            if found is None:
                return False
            empty = 0 if found else empty + 1
            if empty == 2:
                return True
            if found:
                self._ask(["rm", "--force", "--volumes", *found])
        return False

    def inspect(self) -> dict[str, Any]:
        """What the runtime knows of it; empty when nothing."""
        if not self.id:
            return {}
        code, text = self._ask(["inspect", self.id])
        try:
            found = json.loads(text) if code == 0 else []
        except ValueError:
            return {}
        return found[0] if isinstance(found, list) and found and isinstance(found[0], dict) else {}

    def exit_code(self) -> int | None:
        """With what its first process ended; None while it runs, or nobody knows."""
        state = self.inspect().get("State") or {}
        ended = state.get("Running") is False and state.get("Status") in ("exited", "dead", "stopped")
        return state.get("ExitCode") if ended else None

    def publishes(self, port: int) -> bool:
        """Whether the runtime leads this port of loopback into it, and it runs."""
        found = self.inspect()
        if not (found.get("State") or {}).get("Running"):
            return False
        rows = ((found.get("NetworkSettings") or {}).get("Ports") or {}).values()
        return any(one.get("HostPort") == str(port) and one.get("HostIp") == "127.0.0.1" for row in rows if row for one in row)
