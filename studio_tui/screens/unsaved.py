"""Something was changed and is not stored: save, discard, or stay."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Static

from studio_tui.keymap import bindings
from studio_tui.screens.place import STYLES

SAVE, DISCARD, STAY = "save", "discard", "stay"


class Unsaved(ModalScreen[str]):
    """Gives SAVE, DISCARD or STAY."""

    CSS_PATH = STYLES / "dialog.tcss"
    BINDINGS = bindings("unsaved")
    AUTO_FOCUS = f"#{SAVE}"

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog") as dialog:
            dialog.border_title = "Not stored yet"
            yield Static(f"The changes of {self._name} are not stored.", markup=False)
            with Horizontal(id="buttons"):
                yield Button("Store (s)", id=SAVE, compact=True)
                yield Button("Discard (d)", id=DISCARD, compact=True)
                yield Button("Stay (esc)", id=STAY, compact=True)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        event.stop()
        self.dismiss(event.button.id or STAY)

    def action_save(self) -> None:
        self.dismiss(SAVE)

    def action_discard(self) -> None:
        self.dismiss(DISCARD)

    def action_stay(self) -> None:
        self.dismiss(STAY)
