"""Filter and search of one open log: which processes look for what, and what their answers mean for the view."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from studio_core.logs.needle import Want
from studio_tui.seek import Seek, Spare
from studio_tui.widgets.log_view import LogView, Window
from studio_tui.widgets.reel import END

FETCH = 256
NEAR, WRAP = "near", "wrap"


class Hunt:
    """`heard` gets what a process says, from a thread; it is handed back to `hear` where the view may be touched."""

    def __init__(self, view: LogView, heard: Callable[[Seek, dict[str, Any]], None]) -> None:
        self._view, self._heard = view, heard
        self._paths: list[str] = []
        self.filter: Want | None = None
        self.search: Want | None = None
        self._sieve: Seek | None = None
        self._seek: Seek | None = None
        self.passed = self.found = self.number = 0
        self.searched = False
        self.left = 0.0
        self._paused_at = 0
        self._asked: dict[int, tuple[str, int]] = {}
        self._asking = False
        self._next_id = 0
        self._texts: dict[int, list[str]] = {}
        self._spare = Spare()
        view.wish = self._wish

    def close(self) -> None:
        for seek in (self._sieve, self._seek):
            if seek is not None:
                seek.close()
        self._sieve = self._seek = None

    def end(self) -> None:
        """Nothing is looked for any more."""
        self.close()
        self._spare.close()

    def rest(self, rests: bool) -> None:
        """Nobody looks, or somebody looks again."""
        for seek in (self._sieve, self._seek):
            if seek is not None:
                seek.say(rest=rests)

    def open(self, paths: Sequence[str]) -> None:
        """Another log, or the same with another start: what is looked for stays."""
        self.close()
        self._paths = list(paths)
        self.narrow(self.filter)

    # What is looked for.

    def narrow(self, want: Want | None) -> None:
        """Only lines that hold this and have the level; all without either."""
        self.filter = want
        if self._sieve is not None:
            self._sieve.close()
            self._sieve = None
        level = self._view.looks.level
        self.passed, self._asking = 0, False
        if want is None and level == 0:
            self._view.filtered(None)
        else:
            self._sieve = Seek(self._paths, [want] if want else [], level, self._heard, self._spare.take())
            self._view.filtered(Window())
        self.find(self.search)

    def find(self, want: Want | None) -> None:
        """Mark a text or a pattern and go to its last place."""
        if self._seek is not None:
            self._seek.close()
            self._seek = None
        self.search = want
        self.found = self.number = 0
        self.searched = False
        self._texts.clear()
        self._view.search(want)
        if want is not None:
            wants = [want for want in (self.filter, want) if want is not None]
            self._seek = Seek(self._paths, wants, self._view.looks.level, self._heard, self._spare.take())
            self._near(self._seek, NEAR, END, back=1)

    def step(self, direction: int) -> None:
        """To the next match (1) or the previous one (-1), around the ends."""
        if self._seek is None:
            return
        here = self._view.here
        if here < 0:
            here = self._view.page[-1].place if self._view.page else END
        if direction > 0:
            self._near(self._seek, NEAR, here + 1, forth=1)
        else:
            self._near(self._seek, NEAR, here, back=1)

    def tick(self) -> None:
        """Ask where a pattern is in the texts that are shown; and have a process at hand for the next thing to look for."""
        self._spare.warm()
        if self._seek is not None and not self._texts and (texts := self._view.unmarked):
            self._next_id += 1
            self._texts[self._next_id] = texts
            self._seek.say(spans=self._next_id, texts=texts)

    def save(self, path: str) -> None:
        """All lines that pass, as they are, into a new file."""
        seek = self._sieve or Seek(self._paths, [], 0, self._heard)
        seek.say(save=path)

    def _near(self, seek: Seek, why: str, place: int, back: int = 0, forth: int = 0) -> None:
        self._next_id += 1
        self._asked[self._next_id] = why, back
        seek.say(near=self._next_id, place=place, back=back, forth=forth)

    def _wish(self, place: int, back: int, forth: int) -> None:
        """The view comes to the border of what is known to pass."""
        if self._sieve is not None and not self._asking:
            self._asking = True
            self._near(self._sieve, NEAR, place, back, forth)

    # What is heard.

    def hear(self, seek: Seek, news: dict[str, Any]) -> None:
        if seek is self._sieve:
            self._hear_sieve(news)
        elif seek is self._seek:
            self._hear_search(seek, news)

    def _hear_sieve(self, news: dict[str, Any]) -> None:
        view = self._view
        if "near" in news:
            self._asking = False
            self._asked.pop(news["near"], None)
            view.filtered(Window([*news["back"], *news["forth"]], (news["ends"][0], news["ends"][1])))
        elif "found" in news:
            grown = news["found"] - self.passed
            self.passed, self.left = news["found"], news["left"]
            if view.follow:
                self._wish(END, FETCH, 0)
            elif grown > 0 and news["left"] == 0:
                view.unseen += grown
            if view.window is not None and not view.window.places and news["left"] == 0 and not self.passed:
                view.empty = "no line passes the filter"
                view.refresh()
            view.post_message(view.Changed())

    def _hear_search(self, seek: Seek, news: dict[str, Any]) -> None:
        view = self._view
        if "near" in news:
            why, back = self._asked.pop(news["near"], (NEAR, 0))
            places = news["back"] if back else news["forth"]
            if places:
                before = news["before"]
                self.number = 0 if before is None else before if back else before + 1
                view.show_match(places[0])
            elif why == NEAR and self.found:
                self._near(seek, WRAP, END if back else 0, back=back, forth=int(not back))
            self.searched = True
        elif "spans" in news:
            texts = self._texts.pop(news["spans"], [])
            view.marked(dict(zip(texts, [[(a, b) for a, b in one] for one in news["found"]], strict=False)))
        elif "found" in news:
            self.found, self.left = news["found"], news["left"]
            if news["left"] == 0 and self.number == 0 and view.here >= 0:
                self._near(seek, NEAR, view.here + 1, back=1)
        view.post_message(view.Changed())
