"""Every action in the palette, with its id and its key: those of the screen below first."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.dom import DOMNode

from studio_tui import action
from studio_tui.action import Action
from studio_tui.keymap import spelled

# Moving a cursor is done with keys; in a palette it would only be in the way.
SILENT = frozenset({"table", "view", "dialog", "help", "jump"})


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
            yield DiscoveryHit(_title(one), partial(self._run, one, node), help=f"{spelled(key)}  {one.id}")

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for one, node, key in self._found():
            score = matcher.match(_title(one))
            if score > 0:
                yield Hit(score, matcher.highlight(_title(one)), partial(self._run, one, node), help=f"{spelled(key)}  {one.id}")

    async def _run(self, one: Action, node: DOMNode) -> None:
        await self.app.run_action(one.call, default_namespace=node)


def _title(one: Action) -> str:
    return f"{one.label}: {one.doc}"
