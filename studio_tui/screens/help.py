"""What can be done here, and with which key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from studio_tui import action
from studio_tui.keymap import bindings, spelled
from studio_tui.screens.place import STYLES

TITLES = {
    "app": "Everywhere", "recipes": "Recipes", "logs": "Logs", "chat": "Chat", "table": "In a table", "view": "In a log",
}
KEYS = 16


class Help(ModalScreen[None]):
    """`keys` are those that hold; `contexts` those of the screen below, the most special first."""

    CSS_PATH = STYLES / "dialog.tcss"
    BINDINGS = [*bindings("help")]

    def __init__(self, keys: Mapping[str, str], contexts: tuple[str, ...]) -> None:
        super().__init__()
        self._keys, self._contexts = keys, contexts

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="help") as page:
            page.border_title = "Help"
            page.border_subtitle = "keys can be changed in keymap.yaml of the state directory"
            yield Static(Content.assemble(*self._pieces()))

    def _pieces(self) -> Iterator[tuple[str, str]]:
        for context in self._contexts:
            yield (f"{TITLES[context]}\n", "bold $primary")
            for one in action.of(context):
                yield (f"  {spelled(self._keys[one.id]):<{KEYS}}", "$accent")
                yield (f"{one.doc}\n", "")
            yield ("\n", "")
        yield ("Engines go on when you leave: Studio runs them, not this app.", "$quiet")

    def action_close(self) -> None:
        self.dismiss()
