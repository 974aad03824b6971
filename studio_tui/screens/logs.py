"""The logs of engines and daemons, and any other file: a list, and one of them open."""

from __future__ import annotations

import os
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from msgspec.structs import asdict
from textual.app import ComposeResult
from textual.containers import Container
from textual.widgets import Input

from studio_core import wire
from studio_core.errors import NotFound
from studio_core.logs.chain import Chain, segments
from studio_core.logs.needle import LEVELS, Want
from studio_core.text import line
from studio_tui import start, unit
from studio_tui.fact import facts
from studio_tui.hunt import Hunt
from studio_tui.keymap import bindings
from studio_tui.message import Failed, LogsCame, Said, SeekCame, TailBegan
from studio_tui.pulse import TICK_S
from studio_tui.screens.place import STYLES, Place
from studio_tui.seek import Seek
from studio_tui.stream import Tail
from studio_tui.view import View
from studio_tui.wanted import Copy
from studio_tui.widgets.log_view import LogView
from studio_tui.widgets.panel import Panel
from studio_tui.widgets.question import Question
from studio_tui.widgets.table import Column, Table

COLUMNS = (Column("LOG", 12, flex=1), Column("SIZE", 8, right=True), Column("", 1))
# A log that grew so lately is looked at with each tick, another so often.
GROWS_S, REST_S = 3.0, 0.5


class Logs(Place):
    CSS_PATH = STYLES / "logs.tcss"
    BINDINGS = bindings("logs")

    def content(self) -> ComposeResult:
        self._table = Table(COLUMNS, "no log yet", ident="logs")
        self._log = LogView("log")
        self._hunt = Hunt(self._log, self._heard)
        self._input = Question(self._log.looks)
        self._files: tuple[wire.LogFile, ...] = ()
        self._open_id, self._foreign, self._wanted = "", "", ""
        self._starts: list[wire.LogFile] = []
        self._tail: Tail | None = None
        self._alive: set[str] = set()
        self._opened = Panel("", self._log, self._input, ident="opened")
        with Container(id="split"):
            yield Panel("Logs", self._table, ident="list")
            yield self._opened

    def on_mount(self) -> None:
        self._log.load(Chain([]), "press Enter on a log to open it")
        self.set_focus(self._table)

    def on_screen_resume(self) -> None:
        self._hunt.rest(False)

    def read(self) -> None:
        self.bridge.logs(self)

    def on_screen_suspend(self) -> None:
        self._hunt.rest(True)

    def on_unmount(self) -> None:
        self._close()
        self._hunt.end()

    def show(self, view: View) -> None:
        """A start or an end of an engine is news for the list."""
        alive = {one.key for one in view.lives()}
        if alive != self._alive:
            self._alive = alive
            self.bridge.logs(self)

    # What is remembered: how lines are shown and which ones, and the log that was open.

    def extra(self) -> dict[str, Any]:
        wanted = self._hunt.filter
        return {"looks": asdict(self._log.looks), "filter": wanted._asdict() if wanted else None, "open": self._open_id}

    def recalled(self, kept: dict[str, Any]) -> None:
        looks, wanted = kept.get("looks"), kept.get("filter")
        if isinstance(looks, dict):
            for name, value in asdict(self._log.looks).items():
                if type(looks.get(name)) is type(value):
                    setattr(self._log.looks, name, looks[name])
            self._log.looks.level %= len(LEVELS)
        if isinstance(wanted, dict) and isinstance(wanted.get("text"), str):
            want = Want(wanted["text"], wanted.get("regex") is True, wanted.get("exact") is True)
            self._hunt.filter = None if want.problem() else want
        self._wanted = str(kept.get("open", ""))

    def back(self) -> bool:
        deeper = self._input.display or self._hunt.search or self._hunt.filter or self._log.looks.level
        if deeper or (self.has_class("-opened") and not self.has_class("-wide")):
            self.action_back()
            return True
        return False

    @property
    def pace(self) -> float:
        """A log that grows is followed; one that rests is looked at twice a second."""
        return TICK_S if time.monotonic() - self._log.grew < GROWS_S else REST_S

    async def tick(self) -> None:
        if self._open_id or self._foreign:
            self._log.look()
            self._hunt.tick()
            if self._tail is not None:
                self._wait(self._tail)

    def _wait(self, tail: Tail) -> None:
        """What comes from afar: who looks at its beginning wants more; who sees nothing is told why."""
        if not self._log.follow and self._log.at_top:
            self.bridge.older(tail)
        if not self._log.page and tail.problem is not None and self._log.empty != tail.problem.line():
            self._log.empty = tail.problem.line()
            self._log.refresh()

    # The list.

    def on_logs_came(self, news: LogsCame) -> None:
        self._files = news.logs
        self._table.fill([start.row(one) for one in news.logs])
        if not self._open_id and not self._foreign and news.logs:
            ids = [one.id for one in news.logs]
            first = next((one.id for one in news.logs if one.recipe_id), ids[0])
            self.open(self._wanted if self._wanted in ids else first)
        elif self._open_id:
            self._restarted()

    def on_table_chosen(self, event: Table.Chosen) -> None:
        event.stop()
        self.action_open()

    def action_open(self) -> None:
        if self._table.key is not None:
            self.open(self._table.key)
        else:
            self.post_message(Said("there is no log yet: launch a recipe, or open a file with o"))

    def action_turn(self, step: int) -> None:
        (self._table.action_down if step > 0 else self._table.action_up)()
        self.action_open()

    # One log.

    def open(self, log_id: str) -> None:
        """Show a log from its end on, with the starts of the same recipe before it."""
        self._close()
        self._open_id, self._foreign = log_id, ""
        self._table.select(log_id)
        self._starts = start.chain(self._files, log_id)
        paths = [path for one in self._starts if (path := self.bridge.log_path(one.id))]
        if paths and self.bridge.log_path(log_id):
            self._read(paths, [start.label(one) for one in self._starts])
        else:
            self._log.load(Chain([]), "reading")
            self._tail = self.bridge.tail(self, log_id)
        self._titles()
        self.add_class("-opened")
        self.set_focus(self._log)

    def open_file(self, path: str) -> None:
        """Any file of this machine."""
        found = Path(path).expanduser().absolute()
        if not (found.is_file() or segments(str(found))) or not os.access(found, os.R_OK):
            self.post_message(Failed(NotFound(f"no file {found} that can be read", "", "give the path of a file on this machine")))
            return
        self._close()
        self._open_id, self._foreign, self._starts = "", str(found), []
        self._read([str(found)], [])
        self._titles()
        self.add_class("-opened")
        self.set_focus(self._log)

    def _read(self, paths: list[str], labels: list[str]) -> None:
        self._log.load(Chain(paths), "this log is empty", dict(enumerate(labels)))
        self._hunt.open(paths)

    def _restarted(self) -> None:
        """The newest start of a recipe is open, and there is a newer one: it goes on below."""
        newer = start.newer(self._files, self._starts[-1]) if self._starts and self._tail is None else None
        if newer is not None:
            following, top = self._log.follow, self._log.page[0] if self._log.page else None
            self.open(newer.id)
            if not following and top is not None:
                self._log.go(top.place, top.number)

    def _close(self) -> None:
        self._hunt.close()
        if self._tail is not None:
            self._tail.close()
            self._tail = None

    def on_tail_began(self, news: TailBegan) -> None:
        if news.tail is not self._tail:
            return
        mine = next((one for one in self._files if one.id == self._open_id), None)
        self._read([str(news.tail.spool.path)], [start.label(mine)] if mine else [])
        self._widen()
        self._titles()

    def _widen(self) -> None:
        """Who searches or filters wants the whole log."""
        if self._tail is not None and (self._hunt.search or self._hunt.filter or self._log.looks.level):
            self.bridge.older(self._tail, everything=True)

    def _heard(self, seek: Seek, news: dict[str, Any]) -> None:
        """From a thread."""
        self.post_message(SeekCame(seek, news))

    def on_seek_came(self, news: SeekCame) -> None:
        if "saved" in news.news:
            told, path = news.news, line(news.news["saved"])
            done = f"{unit.count(told['lines'])} lines saved to {path}"
            self.post_message(Said(f"not saved to {path}: {told['problem']}" if "problem" in told else done))
        self._hunt.hear(news.seek, news.news)

    def on_reel_changed(self, event: LogView.Changed) -> None:
        event.stop()
        self._titles()

    def _titles(self) -> None:
        mine = next((one for one in self._files if one.id == self._open_id), None)
        name = mine.name if mine and mine.name else self._open_id
        self._opened.title(self._foreign or (f"{name} \u00b7 {self._open_id}" if name != self._open_id else name))
        self._opened.note(facts(self._log, self._hunt, self._tail.lost if self._tail else 0))

    # Search and filter.

    def action_find(self) -> None:
        self._ask("find", self._hunt.search.text if self._hunt.search else "")

    def action_filter(self) -> None:
        self._ask("filter", self._hunt.filter.text if self._hunt.filter else "")

    def action_save(self) -> None:
        name = Path(self._foreign).name or self._open_id
        if name:
            self._ask("save", str(Path.cwd() / f"{name.removesuffix('.log')}-{datetime.now():%m%d-%H%M%S}.log"))
        else:
            self.post_message(Said("no log is open"))

    def action_file(self) -> None:
        self._ask("file", self._foreign or f"{Path.cwd()}/")

    def _ask(self, kind: str, text: str) -> None:
        self._input.ask(kind, text)
        self.add_class("-opened")
        self.set_focus(self._input)

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        if self._input.display:
            self._input.hint()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        want = self._input.want(event.value) if event.value else None
        if want and self._input.problem:
            # What held before holds on.
            return
        self._input.display = False
        self.set_focus(self._log)
        {"find": self._found, "filter": self._filtered, "save": self._saved, "file": self._chosen}[self._input.kind](want)

    def _found(self, want: Want | None) -> None:
        self._hunt.find(want)
        self._widen()
        self._titles()

    def _filtered(self, want: Want | None) -> None:
        if want != self._hunt.filter:
            self._hunt.narrow(want)
            self._widen()
            self._titles()

    def _saved(self, want: Want | None) -> None:
        if want:
            self._hunt.save(str(Path(want.text).expanduser().absolute()))

    def _chosen(self, want: Want | None) -> None:
        if want:
            self.open_file(want.text)

    def action_back(self) -> None:
        """One step back: the input, the search, the filter, the log."""
        if self._input.display:
            self._input.display = False
            self.set_focus(self._log)
        elif self._hunt.search:
            self._found(None)
        elif self._hunt.filter:
            self._filtered(None)
        elif self._log.looks.level:
            self._levelled(0)
        else:
            self.remove_class("-opened")
            self.set_focus(self._table)

    def action_step(self, direction: int) -> None:
        if self._hunt.search is None:
            self.post_message(Said("nothing is searched for: / searches"))
        self._hunt.step(direction)

    # How it is shown.

    def action_follow(self) -> None:
        self._log.to_end()

    def action_wrap(self) -> None:
        self._looks(wrapped=not self._log.looks.wrapped)

    def action_times(self) -> None:
        self._looks(times=not self._log.looks.times)

    def action_levels(self) -> None:
        self._levelled((self._log.looks.level + 1) % len(LEVELS))

    def _levelled(self, level: int) -> None:
        self._log.looks.level = level
        self._hunt.narrow(self._hunt.filter)
        self._widen()
        self._titles()

    def action_regex(self) -> None:
        self._searched(regex=not self._log.looks.regex)

    def action_case(self) -> None:
        self._searched(exact=not self._log.looks.exact)

    def _looks(self, **changed: bool) -> None:
        for name, value in changed.items():
            setattr(self._log.looks, name, value)
        self._log.anew()
        self._titles()

    def _searched(self, **changed: bool) -> None:
        """Another way to search holds for what is looked for already."""
        for name, value in changed.items():
            setattr(self._log.looks, name, value)
        if self._input.display:
            self._input.hint()
        elif self._hunt.search and not (again := self._input.want(self._hunt.search.text)).problem():
            self._found(again)
        else:
            self.post_message(Said(f"searches for {self._input.way()}"))

    # Copying.

    def action_copy(self) -> None:
        text, count = self._log.copied()
        if count:
            self.post_message(Copy(text, f"{count} line{'s' * (count > 1)}"))
        else:
            self.post_message(Said("no line is on the screen"))

