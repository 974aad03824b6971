"""A process that looks through a log for somebody who must not wait: the app's search, filter and saving.

`python seeker.py` reads one JSON object per line and answers in the same way, until its input ends. Searching holds the
interpreter, a file that shrinks can end whoever has it mapped, and a pattern can take for ever: here none of that is felt,
and whoever has enough of it ends this process. Standard library only.

First line: {"paths": [...], "wants": [{"text", "regex", "exact"}], "level": 0}. Then, in any order:
  {"near": id, "place": P, "back": N, "forth": N}: the places of lines around P, answered with
      {"near": id, "back": [...], "forth": [...], "before": how many come before P, "ends": [no more, no more]}
  {"spans": id, "texts": [...]}: where the last want is in shown texts, answered with {"spans": id, "found": [[[a, b], ...], ...]}
  {"rest": true or false}: nobody looks: count nothing until somebody does again
  {"save": path}: all lines that pass, as they are, answered with {"saved": path, "lines": N}, and "problem" where it failed
By itself it tells {"found": N, "left": part that was not looked at yet}, ten times a second at most.
"""

from __future__ import annotations

import json
import os
import select
import sys
import time
from collections.abc import Iterator
from typing import Any

if __package__ in (None, ""):
    # Run as a file: the folder of this file holds modules that must not hide the standard library's.
    sys.path[0] = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from studio_core.logs.chain import Chain
from studio_core.logs.needle import Needle, Want
from studio_core.logs.sieve import Sieve

TELL_S = 0.1
LOOK_S = 0.2
# What is said to be left while anything is.
LEAST = 0.01
# How much of what was written meanwhile is counted before somebody else has a turn, in blocks.
GROW = 64


class Seeker:
    def __init__(self, first: dict[str, Any]) -> None:
        self._chain = Chain(first["paths"])
        self._wants = [Want(**want) for want in first["wants"]]
        self._sieve = Sieve(self._chain, Needle(self._wants, first.get("level", 0)))
        self._told: tuple[int, float] | None = None
        self._told_at = 0.0
        self._near: tuple[int, Iterator[None]] | None = None
        self._input = b""
        self._rests = False

    def run(self) -> None:
        """Until the input ends. A question goes before counting, the newest one before older ones."""
        while True:
            busy = not self._rests and self._turn()
            if not self._rests:
                self._tell()
            ready, _, _ = select.select([0], [], [], None if self._rests else 0 if busy else LOOK_S)
            if ready and not self._listen():
                return

    def _turn(self) -> bool:
        if self._near is not None:
            for _ in range(GROW):
                if next(self._near[1], self) is self:
                    self._near = None
                    break
            return True
        if self._sieve.step():
            return True
        return any([self._sieve.grow() for _ in range(GROW)])

    def _listen(self) -> bool:
        data = os.read(0, 1 << 20)
        self.take(data)
        return bool(data)

    def take(self, data: bytes) -> None:
        """What came in."""
        *lines, self._input = (self._input + data).split(b"\n")
        for line in lines:
            asked = json.loads(line)
            if "near" in asked:
                self._near = asked["near"], self._look(**asked)
            elif "spans" in asked:
                _say(spans=asked["spans"], found=[self._wants[-1].spans(text) for text in asked["texts"]])
            elif "rest" in asked:
                self._rests = asked["rest"]
            elif "save" in asked:
                self._save(asked["save"])

    def _look(self, near: int, place: int, back: int, forth: int) -> Iterator[None]:
        """Answers when it has found enough, or all there is. Yields where something else may have a turn."""
        self._sieve.runs = self._chain.runs()
        found: dict[str, list[int]] = {"back": [], "forth": []}
        for name, count, places in (("back", back, self._sieve.back(place)), ("forth", forth, self._sieve.forth(place))):
            while len(found[name]) < count and (at := next(places, -1)) != -1:
                if at is None:
                    yield
                else:
                    found[name].append(at)
        _say(near=near, back=found["back"][::-1], forth=found["forth"], before=self._sieve.before(place),
             ends=[len(found["back"]) < back, len(found["forth"]) < forth])

    def _tell(self) -> None:
        now = time.monotonic()
        if now - self._told_at < TELL_S and not self._sieve.complete:
            return
        # Nothing left is said only when all is counted: who hears it asks for numbers, which are not known before.
        left = 0.0 if self._sieve.complete else max(LEAST, round(self._sieve.left, 2))
        news = (self._sieve.found, left)
        if news != self._told:
            self._told, self._told_at = news, now
            _say(found=news[0], left=news[1])

    def _save(self, path: str) -> None:
        lines = 0
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "wb") as out:
                for place in self._sieve.forth(0):
                    if place is not None and (line := self._chain.lines_after(place, 1, self._sieve.runs)):
                        out.write(line[0][1] + b"\n")
                        lines += 1
            _say(saved=path, lines=lines)
        except OSError as error:
            _say(saved=path, lines=lines, problem=error.strerror or str(error))


def _say(**news: Any) -> None:
    os.write(1, json.dumps(news, separators=(",", ":")).encode() + b"\n")


def main() -> None:
    first, rest = b"", b""
    while b"\n" not in first:
        if not (data := os.read(0, 1 << 16)):
            return
        first += data
    line, _, rest = first.partition(b"\n")
    seeker = Seeker(json.loads(line))
    seeker.take(rest)
    seeker.run()


if __name__ == "__main__":
    try:
        main()
    except (BrokenPipeError, KeyboardInterrupt):
        os._exit(0)
