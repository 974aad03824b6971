"""Why an engine ended: from its last lines and its exit to a cause in words with a remedy."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterable, Sequence

from studio_core.engines.engine import Engine, Signature
from studio_core.engines.progress import plain
from studio_core.wire import Exit, Failure

LINES = 20
EVIDENCE = 3
LINE_LIMIT = 500

# True of every engine; asked after the engine's own table.
COMMON = tuple(Signature(name, re.compile(pattern), title, hint) for name, title, hint, pattern in (
    ("cannot_execute", "cannot execute {file}: {why}", "check the recipe's binary and its permissions",
     r"cannot execute (?P<file>[^:]+): (?P<why>.+)"),
    ("disk_full", "the disk is full", "free space, or move the model cache to another disk",
     r"No space left on device|ENOSPC"),
    ("library_missing", "the shared library {library} is missing", "install it, or set LD_LIBRARY_PATH in env_vars",
     r"error while loading shared libraries: (?P<library>[^:]+):"),
    ("module_missing", "the Python package {module} is missing", "install it in the engine's environment",
     r"No module named '(?P<module>[^']+)'"),
))
_SIGNALS = {
    signal.SIGKILL: ("the engine was killed (SIGKILL)",
                     "if nobody did, the kernel did for lack of memory: see `dmesg`, and use a smaller model or context"),
    signal.SIGSEGV: ("the engine crashed (SIGSEGV)", "update the engine, and report the last lines to its makers"),
    signal.SIGABRT: ("the engine gave up (SIGABRT)", "read its last lines"),
    signal.SIGILL: ("the engine uses instructions that this CPU lacks (SIGILL)", "install a build for this CPU"),
    signal.SIGBUS: ("the engine ran out of shared memory or lost its file (SIGBUS)",
                    "check the size of /dev/shm and that the model file is whole"),
}


def diagnose(engine: Engine, lines: Sequence[str], end: Exit | None) -> Failure:
    """The cause of an engine's end.

    `lines` are its output in order, the beginning of the start included if there is room: the cause is often not
    on the last line. Lines of the answer have no control characters; they are still an engine's words.
    """
    clean = [plain(line)[:LINE_LIMIT] for line in lines if line.strip()]
    last = clean[-LINES:]
    table = (*engine.signatures, *COMMON)
    strong = (signature for signature in table if not signature.weak)
    weak = (signature for signature in table if signature.weak)
    found = _search(strong, clean) or _by_signal(end, last) or _search(weak, clean)
    if found is None:
        return Failure(title=_ending(end), hint="read its last lines", lines=last)
    found.lines = last
    return found


def _search(signatures: Iterable[Signature], lines: Sequence[str]) -> Failure | None:
    for signature in signatures:
        hits = [match for line in lines if (match := signature.pattern.search(line))]
        if hits:
            words = {name: text or "" for name, text in hits[0].groupdict().items()}
            return Failure(title=signature.title.format_map(words), hint=signature.hint.format_map(words),
                           detail="\n".join(dict.fromkeys(hit.string.strip() for hit in hits[:EVIDENCE])))
    return None


def _by_signal(end: Exit | None, last: Sequence[str]) -> Failure | None:
    if end is None or end.signal is None or end.signal not in _SIGNALS:
        return None
    title, hint = _SIGNALS[signal.Signals(end.signal)]
    return Failure(title=title, hint=hint, detail=last[-1] if last else "")


def _ending(end: Exit | None) -> str:
    if end is None or (end.code is None and end.signal is None):
        return "the engine ended, its exit status is unknown"
    if end.signal is not None:
        return f"the engine was ended by signal {end.signal}"
    return f"the engine ended with exit code {end.code}"
