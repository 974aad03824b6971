"""Every action in the palette, with its id and its key: those of the screen below first."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.content import Content
from textual.dom import DOMNode

from studio_tui import action
from studio_tui.action import Action
from studio_tui.keymap import spelled

# Moving a cursor is done with keys; in a palette it would only be in the way.
SILENT = frozenset({"table", "view", "dialog", "help", "jump"})
# Cells of a key, and of a terminal in which ids are shown.
KEY, WIDE = 9, 80


class Actions(Provider):
    """Runs an action in the namespace of the node that has its binding."""

    def _found(self) -> Iterator[tuple[Action, DOMNode, str]]:
        known = {one.id: one for one in action.TABLE}
        for node, binding, _enabled, _tooltip in self.screen.active_bindings.values():
            one = known.pop(binding.id or "", None)
            if one is not None and one.context not in SILENT:
                yield one, node, binding.key

    async def discover(self) -> Hits:
        for one, node, key in self._found():
            yield DiscoveryHit(self._shown(one, key, Content(_title(one))), partial(self._run, one, node), text=_title(one))

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for one, node, key in self._found():
            # By its id too: who changes keys knows it by that.
            score = max(matcher.match(_title(one)), matcher.match(one.id))
            if score > 0:
                title = matcher.highlight(_title(one))
                yield Hit(score, self._shown(one, key, title), partial(self._run, one, node), text=_title(one))

    def _shown(self, one: Action, key: str, title: Content) -> Content:
        """On one line: its key, its words, and its id where there is room."""
        ident = f"  {one.id}" if self.app.size.width >= WIDE else ""
        return Content.assemble((f"{spelled(key):<{KEY}} ", "$accent"), title, (ident, "$quiet"))

    async def _run(self, one: Action, node: DOMNode) -> None:
        await self.app.run_action(one.call, default_namespace=node)


def _title(one: Action) -> str:
    """What it is called and does, without saying a word twice."""
    told = one.doc.lower().startswith(one.label.lower())
    return f"{one.doc[0].upper()}{one.doc[1:]}" if told else f"{one.label}: {one.doc}"
