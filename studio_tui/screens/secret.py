"""A new key, shown the one time that it is seen."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from studio_core import wire
from studio_core.text import line
from studio_tui.keymap import bindings
from studio_tui.screens.place import STYLES
from studio_tui.wanted import Copy


class Secret(ModalScreen[None]):
    CSS_PATH = STYLES / "form.tcss"
    BINDINGS = bindings("secret")

    def __init__(self, key: wire.NewKey) -> None:
        super().__init__()
        self._key = key

    def compose(self) -> ComposeResult:
        with Vertical(id="form") as page:
            page.border_title = Content(f"The key {line(self._key.name)}")
            page.border_subtitle = "c copies, esc closes"
            yield Static(line(self._key.key), markup=False, id="key")
            about = f"For: {', '.join(self._key.scopes)}. It is not shown again: Studio keeps only its hash."
            yield Static(about, markup=False, id="about")

    def action_copy(self) -> None:
        self.app.post_message(Copy(self._key.key, "the key"))

    def action_close(self) -> None:
        self.dismiss()
