"""The one question before something ends."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Static

from studio_tui.keymap import bindings
from studio_tui.screens.place import STYLES


class Confirm(ModalScreen[bool]):
    """Gives True when the person said yes. Enter takes the button that has the focus, at first the yes."""

    CSS_PATH = STYLES / "dialog.tcss"
    BINDINGS = bindings("dialog")
    AUTO_FOCUS = "#accept"

    def __init__(self, title: str, text: str, accept: str) -> None:
        super().__init__()
        self._title, self._text, self._accept = title, text, accept

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog") as dialog:
            dialog.border_title = Content(self._title)
            yield Static(self._text, markup=False)
            with Horizontal(id="buttons"):
                yield Button(f"{self._accept} (y)", variant="error", id="accept", compact=True)
                yield Button("Leave it (n)", id="refuse", compact=True)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        event.stop()
        self.dismiss(event.button.id == "accept")

    def action_accept(self) -> None:
        self.dismiss(True)

    def action_refuse(self) -> None:
        self.dismiss(False)
