"""The first line: where one is, what runs, which machine is driven, and whether it answers."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content
from textual.widget import Widget

from studio_tui import status
from studio_tui.view import View

# What is kept for the right side before the rooms are named by their digits only, except the one that is shown.
ROOM = 24
NAME = " Studio "
Parts = tuple[tuple[str, str], ...]


class TopBar(Widget):
    """`places` are (key, title); `shown` is the title of the current one."""

    def __init__(self, places: Sequence[tuple[str, str]], shown: str, read_only: bool = False) -> None:
        super().__init__()
        self._places = tuple(places)
        self._shown = shown
        self._life: Parts = ()
        self._host: Parts = ()
        self._tag: Parts = (("read only", "$accent"), ("  ", "")) if read_only else ()

    def fill(self, view: View) -> None:
        model, host = self._busy(view), self._place(view)
        if (model, host) != (self._life, self._host):
            self._life, self._host = model, host
            self.refresh()

    @staticmethod
    def _busy(view: View) -> Parts:
        life = view.serving() or next((one for one in view.lives() if one.coming), None)
        if life is None:
            return ()
        mark = status.mark(life.state)
        return ((f"{mark.sign} {life.name}", _tone(mark)), ("  ", ""))

    @staticmethod
    def _place(view: View) -> Parts:
        link = status.LINKS[view.link.state]
        if view.link.state == "live":
            return ((view.link.place, "$quiet"),)
        return ((f"{view.link.place} {link}".strip(), _tone(link)),)

    def render(self) -> Content:
        """The host is always there; where room is short the model is named shorter, then not at all."""
        host = Content.assemble(*self._tag, *self._host)
        left = self._left(True)
        if self.size.width - left.cell_length < max(ROOM, host.cell_length + 2):
            left = self._left(False)
        space = self.size.width - left.cell_length - 1
        host = host.truncate(max(0, space - 1), ellipsis=True)
        model = Content.assemble(*self._life)
        spare = space - host.cell_length - 1
        if model.cell_length > spare:
            model = Content.assemble(model.truncate(spare - 2, ellipsis=True), "  ") if spare > 8 else Content()
        gap = max(0, space - host.cell_length - model.cell_length)
        return Content.assemble(left, " " * gap, model, host, " ")

    def _left(self, wide: bool) -> Content:
        name = NAME if wide or self.size.width >= 80 else " "
        parts: list[tuple[str, str]] = [(name, "bold $primary")]
        for key, title in self._places:
            if title == self._shown:
                # Reversed, so that it is seen without colours too.
                parts.append((f" {key} {title} ", "bold $primary reverse"))
            else:
                parts.append((f" {key} {title} " if wide else f" {key} ", "$quiet"))
        return Content.assemble(*parts)


def _tone(mark: status.Mark) -> str:
    return {status.GOOD: "$text-success", status.BUSY: "$text-warning", status.BAD: "$text-error"}.get(mark.tone, "$quiet")
