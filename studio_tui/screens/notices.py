"""What the app has told since it was opened: what a toast said is still here when the toast is gone."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from studio_tui import status
from studio_tui.keymap import bindings
from studio_tui.notice import SIGNS, Notice
from studio_tui.screens.place import STYLES

EMPTY = "nothing yet: loads that end or fail, and what was said in passing, stand here"
TONES = {status.GOOD: "$text-success", status.BAD: "$text-error", status.BUSY: "$text-warning"}


class Notices(ModalScreen[None]):
    """`found` from old to new; the newest is shown first."""

    CSS_PATH = STYLES / "notices.tcss"
    BINDINGS = bindings("notices")

    def __init__(self, found: Sequence[Notice]) -> None:
        super().__init__()
        self._found = found

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="notices") as page:
            page.border_title = "Notices"
            page.border_subtitle = "esc closes"
            yield Static(Content.assemble(*self._pieces()) if self._found else Content.styled(EMPTY, "$quiet"))

    def _pieces(self) -> Iterator[tuple[str, str]]:
        for one in reversed(self._found):
            yield (time.strftime("%H:%M:%S  ", time.localtime(one.at)), "$quiet")
            yield (f"{SIGNS.get(one.tone, ' ')} {one.text}\n", TONES.get(one.tone, "$foreground"))

    def action_close(self) -> None:
        self.dismiss()
