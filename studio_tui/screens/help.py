"""What can be done here, and with which key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from studio_tui import action
from studio_tui.action import Action
from studio_tui.keymap import bindings, spelled
from studio_tui.screens.place import STYLES

KEYS = 16


class Help(ModalScreen[None]):
    """`keys` are those that hold; `found` the actions that there are on the screen below, each context's together."""

    CSS_PATH = STYLES / "dialog.tcss"
    BINDINGS = [*bindings("help")]

    def __init__(self, keys: Mapping[str, str], found: Mapping[str, Sequence[Action]]) -> None:
        super().__init__()
        self._keys, self._found = keys, found

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="help") as page:
            page.border_title = "Help"
            page.border_subtitle = "keys can be changed in keymap.yaml of the state directory"
            yield Static(Content.assemble(*self._pieces()))

    def _pieces(self) -> Iterator[tuple[str, str]]:
        for context, actions in self._found.items():
            yield (f"{action.title(context)}\n", "bold $primary")
            for one in actions:
                yield (f"  {spelled(self._keys[one.id]):<{KEYS}}", "$accent")
                yield (f"{one.doc}\n", "")
            yield ("\n", "")
        yield ("Engines go on when you leave: Studio runs them, not this app.", "$quiet")

    def action_close(self) -> None:
        self.dismiss()
