"""What stays wrong, in one line below the bar for as long as it does: a toast would be gone before anybody read it."""

from __future__ import annotations

from textual.content import Content
from textual.widget import Widget

from studio_tui import status, unit
from studio_tui.view import View

AWAY = frozenset({"reconnecting", "failed", "down"})
# What is said of a connection, by its state.
WORDS = {
    "reconnecting": "Studio does not answer",
    "failed": "Studio cannot be reached",
    "down": "Studio was taken down",
}


class Alert(Widget):
    """Not there while all is well."""

    def __init__(self) -> None:
        super().__init__()
        self._text = ""
        self.display = False

    def fill(self, view: View) -> None:
        text = told(view)
        if text != self._text:
            self._text = text
            self.display = bool(text)
            self.refresh()

    def render(self) -> Content:
        return Content(self._text).truncate(self.size.width, ellipsis=True)


def told(view: View) -> str:
    """The line for a lost connection; empty while it holds. What was heard before stays on the screen."""
    if view.link.state not in AWAY:
        return ""
    mark = status.LINKS[view.link.state]
    since = f"for {unit.age(view.now - view.link_at)}" if view.link_at and view.now - view.link_at >= 1 else ""
    kept = "below is what was last heard" if view.status is not None else ""
    parts = (f" {mark.sign} {WORDS[view.link.state]} {since}".rstrip(), kept, view.link.why)
    return " \u00b7 ".join(part for part in parts if part)
