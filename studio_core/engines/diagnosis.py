"""Why an engine ended: from its last lines and its exit to a cause in words with its evidence, a remedy, and a change."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from studio_core.engines import catalog, remedy
from studio_core.engines.engine import Engine, Signature
from studio_core.engines.progress import LINE_LIMIT, plain
from studio_core.wire import Exit, Failure, Fix

LINES = 20
EVIDENCE = 3
SHOWN_LIMIT = 500
# A start hangs at its last lines, not at what it said before.
STALL_LINES = 5

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


def diagnose(engine: Engine, lines: Sequence[str], end: Exit | None, recipe: Mapping[str, Any] | None = None) -> Failure:
    """The cause of an engine's end.

    `lines` are its output in order, the beginning of the start included if there is room: the cause is often not
    on the last line. With the stored fields of the recipe a remedy becomes a change of it. Lines of the answer have no
    control characters; they are still an engine's words.
    """
    clean = _clean(lines)
    table = [one for one in (*engine.signatures, *COMMON) if one.when != "stall"]
    strong = (signature for signature in table if not signature.weak)
    weak = (signature for signature in table if signature.weak)
    last = [line[:SHOWN_LIMIT] for line in clean[-LINES:]]
    found = _search(strong, clean) or _by_signal(end, last) or _search(weak, clean)
    if found is None:
        return Failure(title=_ending(end), hint="read its last lines", lines=last)
    return _finished(found, engine, recipe, last)


def stalled(engine: Engine, lines: Sequence[str], reason: str, recipe: Mapping[str, Any] | None = None) -> Failure:
    """Why a start makes no progress: what would explain an end, or what such a line is known to wait for."""
    clean = _clean(lines)
    last = [line[:SHOWN_LIMIT] for line in clean[-LINES:]]
    ends = (one for one in (*engine.signatures, *COMMON) if one.when != "stall" and not one.weak)
    waits = (one for one in engine.signatures if one.when == "stall")
    found = _search(ends, clean) or _search(waits, clean[-STALL_LINES:])
    if found is None:
        hint = "raise no_progress_s or start_ceiling_s in the recipe if this model needs longer"
        return Failure(title="the start made no progress", detail=reason, hint=hint, lines=last)
    failure = _finished(found, engine, recipe, last)
    failure.title = f"the start made no progress: {failure.title}"
    failure.detail = f"{reason}\n{failure.detail}"
    return failure


@dataclass(frozen=True, slots=True)
class Found:
    """A cause in words, the lines that told it, the first match's groups, and the fix of its signature."""

    title: str
    hint: str
    evidence: Sequence[str]
    words: Mapping[str, str]
    fix: remedy.Fix | None = None


def _clean(lines: Sequence[str]) -> list[str]:
    return [plain(line)[:LINE_LIMIT] for line in lines if line.strip()]


def _finished(found: Found, engine: Engine, recipe: Mapping[str, Any] | None, last: list[str]) -> Failure:
    case = remedy.Case(recipe or {}, found.words, catalog.shipped(engine.name))
    change = remedy.change(found.fix, case)
    evidence = [line.strip()[:SHOWN_LIMIT] for line in found.evidence]
    return Failure(
        title=found.title, hint=found.hint, detail="\n".join(evidence), lines=last, evidence=evidence,
        fix=Fix(title=change.title, change=change.patch) if change is not None else None,
    )


def _search(signatures: Iterable[Signature], lines: Sequence[str]) -> Found | None:
    for signature in signatures:
        hits = [match for line in _windows(lines, signature.lines) if (match := signature.pattern.search(line))]
        if hits:
            words = {name: text or "" for name, text in hits[0].groupdict().items()}
            shown = list(dict.fromkeys(line for hit in hits[:EVIDENCE] for line in hit.string.split("\n")))
            return Found(signature.title.format_map(words), signature.hint.format_map(words), shown, words, signature.fix)
    return None


def _windows(lines: Sequence[str], size: int) -> Iterator[str]:
    """Each line, or each run of `size` lines."""
    if size == 1:
        return iter(lines)
    return ("\n".join(lines[at : at + size]) for at in range(len(lines) - size + 1))


def _by_signal(end: Exit | None, last: Sequence[str]) -> Found | None:
    if end is None or end.signal is None or end.signal not in _SIGNALS:
        return None
    title, hint = _SIGNALS[signal.Signals(end.signal)]
    return Found(title, hint, last[-1:], {})


def _ending(end: Exit | None) -> str:
    if end is None or (end.code is None and end.signal is None):
        return "the engine ended, its exit status is unknown"
    if end.signal is not None:
        return f"the engine was ended by signal {end.signal}"
    return f"the engine ended with exit code {end.code}"
