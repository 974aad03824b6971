"""The question before something of great consequence: the person types a name. Also used to ask for a name."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from studio_core.text import line
from studio_tui.keymap import bindings
from studio_tui.screens.place import STYLES


class Named(ModalScreen[str | None]):
    """Gives what was typed, None when it was left. With `expected`, only that name is taken."""

    CSS_PATH = STYLES / "dialog.tcss"
    BINDINGS = bindings("name")
    AUTO_FOCUS = "#name"

    def __init__(self, title: str, text: str, expected: str = "", value: str = "", secret: bool = False) -> None:
        super().__init__()
        self._title, self._text, self._expected, self._value, self._secret = title, text, expected, value, secret

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog") as dialog:
            dialog.border_title = Content(self._title)
            dialog.border_subtitle = "Enter: do it \u00b7 esc: leave it"
            yield Static(self._text, markup=False)
            name = Input(self._value, id="name", compact=True, password=self._secret, placeholder=line(self._expected))
            name.cursor_blink = False
            yield name
            yield Static("", id="wrong", markup=False)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        if self._expected and event.value.strip() != self._expected:
            self.query_one("#wrong", Static).update(f"type {self._expected} to do it, or leave with esc")
        else:
            self.dismiss(event.value.strip())

    def action_close(self) -> None:
        self.dismiss(None)
