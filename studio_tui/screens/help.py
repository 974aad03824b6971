"""What can be done here, and with which key."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence

from textual import events
from textual.app import ComposeResult
from textual.content import Content
from textual.screen import ModalScreen

from studio_tui import action
from studio_tui.action import Action
from studio_tui.keymap import bindings, spelled
from studio_tui.screens.place import STYLES
from studio_tui.widgets.page import Page

# Cells of the keys, of the page's own frame, and of the widest page.
KEYS, FRAME, WIDEST = 16, 8, 96


class Help(ModalScreen[None]):
    """`keys` are those that hold; `found` the actions that there are on the screen below, each context's together."""

    CSS_PATH = STYLES / "dialog.tcss"
    BINDINGS = [*bindings("help")]
    AUTO_FOCUS = "#help"

    def __init__(self, keys: Mapping[str, str], found: Mapping[str, Sequence[Action]]) -> None:
        super().__init__()
        self._keys, self._found = keys, found

    def compose(self) -> ComposeResult:
        self._drawn = self.app.size.width
        page = Page(self._text(), "help")
        page.border_title = "Help"
        page.border_subtitle = "keys can be changed: keymap.yaml, see README"
        yield page

    def on_resize(self, event: events.Resize) -> None:
        if event.size.width != self._drawn:
            self._drawn = event.size.width
            self.call_after_refresh(lambda: self.query_one(Page).fill(self._text()))

    def _text(self) -> Content:
        return Content.assemble(*self._pieces(min(WIDEST, int(self._drawn * 0.96)) - FRAME))

    def _pieces(self, width: int) -> Iterator[tuple[str, str]]:
        """What an action does stands beside its keys, on as many lines as it takes."""
        gap = " " * (KEYS + 2)
        for context, actions in self._found.items():
            yield (f"{action.title(context)}\n", "bold $primary")
            for one in actions:
                keys = spelled(self._keys[one.id])
                yield (f"  {keys:<{KEYS}}", "$accent")
                over = max(0, len(keys) - KEYS)
                text = textwrap.fill(one.doc, max(20, width), initial_indent=gap + " " * over, subsequent_indent=gap)
                yield (f"{text[len(gap) + over:]}\n", "")
            yield ("\n", "")
        yield ("Engines go on when you leave: Studio runs them, not this app.", "$quiet")

    def action_close(self) -> None:
        self.dismiss()
