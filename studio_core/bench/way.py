"""Ways to one engine, and the load client that goes them: direct, through the gateway, through others."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass

from studio_core.bench.tool import build
from studio_core.errors import StudioError

MODEL = "stub"
# What is measured has core 0 to itself, engine and client share core 1.
PROXY_CORE, LOAD_CORE = "0", "1"
# Every load is over within seconds where it is carried at all.
PATIENCE_S = 60.0
Figures = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Way:
    """Its port, the processes that are measured, and the only loads it can carry (empty: all)."""

    port: int
    pids: tuple[int, ...] = ()
    loads: frozenset[str] = frozenset()


def client(way: Way, key: str, arguments: tuple[str, ...]) -> list[str]:
    """The command of the load client (`c/sse_load.c` tells of its modes)."""
    argv = ["taskset", "-c", LOAD_CORE, str(build("sse_load")), *arguments, "-p", str(way.port), "-k", key, "-m", MODEL]
    return [*argv, "-P", ",".join(map(str, way.pids))] if way.pids else argv


def load(way: Way, key: str, arguments: tuple[str, ...]) -> Figures:
    """What the client measured, flat: `chunk.p50` in microseconds, and so on. Raises StudioError."""
    try:
        done = subprocess.run(client(way, key, arguments), capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    except subprocess.TimeoutExpired:
        raise StudioError(f"not over after {PATIENCE_S:.0f} s", " ".join(arguments)) from None
    return figures(done.stdout, done.stderr, arguments)


def figures(out: str, complaint: str, arguments: tuple[str, ...]) -> Figures:
    """The client's answer. Raises StudioError when it failed, or a request did."""
    try:
        found = json.loads(out)
    except ValueError:
        raise StudioError("the load client failed", complaint[-300:]) from None
    if found["errors"]:
        failed = f"{found['errors']} of {found['started']}: {' '.join(arguments)}"
        raise StudioError("requests failed", f"{failed}; {complaint[:200]}")
    flat = {name: value for name, value in found.items() if isinstance(value, int | float)}
    return flat | {f"{name}.{one}": value for name, many in found.items() if isinstance(many, dict) for one, value in many.items()}
