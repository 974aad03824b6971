"""The first line: where one is, what runs, and whether Studio answers."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content
from textual.widget import Widget

from studio_tui import status
from studio_tui.view import View

# Below this width the places are named by their digits only, except the one that is shown.
WIDE = 96


class TopBar(Widget):
    """`places` are (key, title); `shown` is the title of the current one."""

    def __init__(self, places: Sequence[tuple[str, str]], shown: str) -> None:
        super().__init__()
        self._places = tuple(places)
        self._shown = shown
        self._right: tuple[tuple[str, str], ...] = ()

    def fill(self, view: View) -> None:
        right = self._state(view)
        if right != self._right:
            self._right = right
            self.refresh()

    def _state(self, view: View) -> tuple[tuple[str, str], ...]:
        parts: list[tuple[str, str]] = []
        life = view.serving() or next((one for one in view.lives() if one.coming), None)
        if life is not None:
            mark = status.mark(life.state)
            parts += [(f"{mark.sign} {life.name} ", _tone(mark)), ("  ", "")]
        link = status.LINKS[view.link.state]
        if view.link.state == "live":
            return (*parts, (view.link.place, "$quiet"))
        return (*parts, (f"{view.link.place} {link}".strip(), _tone(link)))

    def render(self) -> Content:
        left = self._left(self.size.width >= WIDE)
        right = Content.assemble(*self._right)
        space = self.size.width - left.cell_length - right.cell_length - 1
        if space < 1:
            left = self._left(False)
            right = right.truncate(max(0, self.size.width - left.cell_length - 2), ellipsis=True)
            space = max(1, self.size.width - left.cell_length - right.cell_length - 1)
        return Content.assemble(left, " " * space, right, " ")

    def _left(self, wide: bool) -> Content:
        parts: list[tuple[str, str]] = [(" Studio ", "bold $primary"), (" ", "")]
        for key, title in self._places:
            if title == self._shown:
                parts.append((f" {key} {title} ", "bold $block-cursor-foreground on $primary"))
            else:
                parts.append((f" {key} {title} " if wide else f" {key} ", "$quiet"))
        return Content.assemble(*parts)


def _tone(mark: status.Mark) -> str:
    return {status.GOOD: "$text-success", status.BUSY: "$text-warning", status.BAD: "$text-error"}.get(mark.tone, "$quiet")


