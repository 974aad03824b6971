"""Where a person writes: Enter sends, ctrl+j or alt+Enter makes a new line."""

from __future__ import annotations

from typing import Any

from textual import events
from textual.widgets import TextArea

from studio_tui.letter import Letter

HINT = "write, Enter sends, ctrl+j: new line, esc: keys"
# While an answer comes.
BUSY = "write what comes next; esc stops the answer"
NEWLINES = frozenset({"ctrl+j", "alt+enter", "shift+enter"})


class Prompt(TextArea):
    class Sent(Letter):
        text: str

    def __init__(self, ident: str | None = None, hint: str = HINT) -> None:
        super().__init__(id=ident, compact=True, highlight_cursor_line=False, placeholder=hint)
        self.cursor_blink = False
        self._hint = hint

    def wait(self, waits: bool) -> None:
        """Whether an answer is under way, and escape stops it."""
        self.placeholder = BUSY if waits else self._hint

    def keep(self) -> Any:
        """A draft."""
        return self.text

    def recall(self, kept: Any) -> None:
        if isinstance(kept, str) and not self.text:
            self.text = kept
            self.move_cursor(self.document.end)

    async def _on_key(self, event: events.Key) -> None:
        if event.key == "enter":
            event.stop()
            event.prevent_default()
            if self.text.strip():
                self.post_message(self.Sent(self.text))
        elif event.key in NEWLINES:
            event.stop()
            event.prevent_default()
            self.insert("\n")
        else:
            await super()._on_key(event)
