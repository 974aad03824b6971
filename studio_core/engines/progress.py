"""From an engine's output, as it comes, to how far its start is."""

from __future__ import annotations

import re

from studio_core.engines.engine import Engine, Milestone
from studio_core.wire import Progress

# A longer line is judged by its beginning: milestones are short, and memory stays bounded.
LINE_LIMIT = 4096
MESSAGE_LIMIT = 200
# CSI and OSC sequences, then every other control character.
_ESCAPE = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|[\x00-\x08\x0a-\x1f\x7f-\x9f]")
_END = re.compile(rb"[\r\n]")


def plain(line: str) -> str:
    """A line of output without terminal sequences and control characters."""
    return _ESCAPE.sub("", line)


class MilestoneReader:
    """Reads one start's output in pieces of any size; a bar redrawn with carriage returns counts as lines.

    `passed` are the marks that were reached, in their order and each once: a milestone's id, and of one that counts the
    id with each tenth of it (`shards.3`). `version` is the engine's, where it told it. `lost` is a line that says that this
    start can never become ready.
    """

    def __init__(self, engine: Engine) -> None:
        self.milestones = engine.milestones
        self.progress = Progress()
        self.passed: list[str] = []
        self.version = ""
        self.lost: str | None = None
        self._losses = tuple(one.pattern for one in engine.signatures if one.when == "lost")
        self._rest = bytearray()

    def feed(self, data: bytes) -> Progress | None:
        """The new progress where these bytes moved it forward, else None. It never goes back."""
        before = self.progress
        if before.percent == 100:
            return None
        *lines, rest = _END.split(data)
        for line in lines:
            self._append(line)
            self._judge(plain(self._rest.decode("utf-8", "replace")))
            self._rest.clear()
        self._append(rest)
        return self.progress if self.progress is not before else None

    def _pass(self, name: str) -> None:
        if name not in self.passed:
            self.passed.append(name)

    def _append(self, data: bytes) -> None:
        self._rest += data[: LINE_LIMIT - len(self._rest)]

    def _judge(self, line: str) -> None:
        if self.lost is None and any(pattern.search(line) for pattern in self._losses):
            self.lost = line
        for milestone in self.milestones:
            match = milestone.pattern.search(line)
            if match is None:
                continue
            self._pass(mark(milestone, match))
            self.version = self.version or match.groupdict().get("version") or ""
            percent = reached(milestone, match)
            if self.progress.percent is None or percent > self.progress.percent:
                self.progress = Progress(stage=milestone.stage, percent=percent, message=line.strip()[:MESSAGE_LIMIT])
            return


def mark(milestone: Milestone, match: re.Match[str]) -> str:
    """The name under which the time of this line is remembered."""
    if milestone.upto is None:
        return milestone.id
    return f"{milestone.id}.{min(int(match['pct']), 100) // 10}"


def reached(milestone: Milestone, match: re.Match[str]) -> float:
    """The percent of the whole start that a matching line stands for."""
    if milestone.upto is None:
        return milestone.percent
    part = min(float(match["pct"]), 100.0) / 100.0
    return milestone.percent + (milestone.upto - milestone.percent) * part
