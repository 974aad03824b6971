"""A few fields to fill in. Enter goes to the next, and from the last one stores; what is wrong is said below and loses nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import Struct
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from studio_tui.keymap import bindings
from studio_tui.screens.place import STYLES


class Field(Struct, frozen=True):
    name: str
    label: str
    value: str = ""
    secret: bool = False


class Form(ModalScreen[dict[str, str] | None]):
    """`check` answers why the values will not do, or nothing. Gives the values by name, None when it was left."""

    CSS_PATH = STYLES / "form.tcss"
    BINDINGS = bindings("form")

    def __init__(self, title: str, text: str, fields: Sequence[Field], check: Callable[[dict[str, str]], str]) -> None:
        super().__init__()
        self._title, self._text, self._entries, self._check = title, text, tuple(fields), check

    def compose(self) -> ComposeResult:
        with Vertical(id="form") as page:
            page.border_title = Content(self._title)
            page.border_subtitle = "Enter stores, esc leaves"
            yield Static(self._text, markup=False, id="about")
            for one in self._entries:
                yield Static(one.label, markup=False, classes="label")
                entry = Input(one.value, id=one.name, compact=True, password=one.secret)
                entry.cursor_blink = False
                yield entry
            yield Static("", markup=False, id="problem")

    def on_mount(self) -> None:
        self.query(Input).first().focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        entries = list(self.query(Input))
        at = entries.index(event.input)
        if at + 1 < len(entries):
            entries[at + 1].focus()
        else:
            self.action_store()

    def action_store(self) -> None:
        values = {str(one.id): one.value for one in self.query(Input)}
        problem = self._check(values)
        self.query_one("#problem", Static).update(Content(problem))
        if not problem:
            self.dismiss(values)

    def action_close(self) -> None:
        self.dismiss(None)
