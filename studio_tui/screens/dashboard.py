"""What the machine does: host, GPUs, models, and how it was before."""

from __future__ import annotations

import math

from textual.app import ComposeResult

from studio_tui import unit
from studio_tui.board import history
from studio_tui.keymap import bindings
from studio_tui.message import Said
from studio_tui.screens.place import STYLES, Place
from studio_tui.view import View
from studio_tui.wanted import OpenLog
from studio_tui.widgets.board import Board

# The probe goes back to its slow pace when nobody has looked for so long; a history has a new value as often.
LOOK_S = 10.0
# How far back the graphs go, in seconds, and what the key goes through.
SPANS = (15 * 60.0, 3600.0, 6 * 3600.0, 7 * 86400.0)


class Dashboard(Place):
    CSS_PATH = STYLES / "dashboard.tcss"
    BINDINGS = bindings("dashboard")

    def content(self) -> ComposeResult:
        self._board = Board(self.view, ident="board")
        self._looked = -math.inf
        self._span = SPANS[0]
        yield self._board

    def on_mount(self) -> None:
        self.set_focus(self._board)

    def on_screen_resume(self) -> None:
        self.bridge.watch(True)

    def on_screen_suspend(self) -> None:
        self.bridge.watch(False)

    def show(self, view: View) -> None:
        if view.now - self._looked > LOOK_S and view.link.state == "live":
            self._looked = view.now
            self.bridge.look(self._span, history.COUNT)
        self._board.fill(view)

    def on_board_chosen(self, event: Board.Chosen) -> None:
        event.stop()
        self.action_log()

    def action_log(self) -> None:
        if any(life.key == self._board.key and life.instance for life in self.view.lives()):
            self.post_message(OpenLog(self._board.key))
        else:
            self.post_message(Said("no model is selected that has a log"))

    def action_span(self) -> None:
        self._span = SPANS[(SPANS.index(self._span) + 1) % len(SPANS)]
        self._looked = -math.inf
        self.post_message(Said(f"histories of the last {unit.age(self._span)}"))
