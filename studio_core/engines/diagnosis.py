"""Why an engine failed, from its last lines and its exit: cause, remedy, evidence."""

from __future__ import annotations

import signal
from collections.abc import Sequence

from studio_core import wire
from studio_core.engines.engine import Engine


def diagnose(engine: Engine, lines: Sequence[str], ending: wire.Exit | None) -> wire.Failure:
    """The first signature of the engine's table that a line bears; else what its exit says."""
    for signature in engine.signatures:
        for line in lines:
            if found := signature.pattern.search(line):
                words = {name: text or "" for name, text in found.groupdict().items()}
                return wire.Failure(
                    title=signature.title.format(**words), detail=line.strip(), hint=signature.hint.format(**words),
                    lines=list(lines),
                )
    title, hint = _ending(ending)
    detail = next((line.strip() for line in reversed(lines) if line.strip()), "it printed nothing")
    return wire.Failure(title=title, detail=detail, hint=hint, lines=list(lines))


def _ending(ending: wire.Exit | None) -> tuple[str, str]:
    if ending is None or (ending.code is None and ending.signal is None):
        return "the engine ended, its exit status is unknown", "see its log"
    if ending.signal == signal.SIGKILL:
        return "the engine was killed by SIGKILL", "often the kernel, for want of memory: see dmesg"
    if ending.signal is not None:
        return f"the engine was ended by {signal.Signals(ending.signal).name}", "see its log"
    if ending.code == 0:
        return "the engine ended by itself, unasked", "see its log"
    return f"the engine ended with exit code {ending.code}", "see its log"
