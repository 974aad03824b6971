"""The styles of the app: parsed once per theme, and applied to a widget's parts only when that changes something.

Textual parses whenever a screen brings styles, and twice at its start; of each widget that gets the focus it works out every part.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from weakref import WeakKeyDictionary

from textual.css.stylesheet import Stylesheet
from textual.dom import DOMNode


class Sheet(Stylesheet):
    """What was parsed stands until a variable changes. Shipped styles have no mistakes: there is nothing to go back to."""

    def __init__(self, variables: dict[str, str]) -> None:
        super().__init__(variables=variables)
        self._edition = 0
        self._told: dict[Collection[str], frozenset[str]] = {}
        self._looks: WeakKeyDictionary[DOMNode, tuple[Any, ...]] = WeakKeyDictionary()

    def set_variables(self, variables: dict[str, str]) -> None:
        if variables != self._variables:
            super().set_variables(variables)

    def reparse(self) -> None:
        self.parse()

    def parse(self) -> None:
        super().parse()
        self._edition += 1
        self._told.clear()

    def _process_component_classes(self, node: DOMNode) -> None:
        parts = node._get_component_classes()
        if parts and self._looks.get(node) != (looks := self._look(node, parts)):
            super()._process_component_classes(node)
            self._looks[node] = looks

    def _look(self, node: DOMNode, parts: Collection[str]) -> tuple[Any, ...]:
        """All that the styles of its parts can follow from: the rules, and of each node above what these tell apart."""
        rules = self.rules_map
        telling = self._told.get(parts)
        if telling is None:
            found = (rule for name in ("*", *(f".{part}" for part in parts)) for rule in rules.get(name, ()))
            telling = self._told[parts] = frozenset[str]().union(*(rule.pseudo_classes for rule in found))
        path = ((id(one), one.id, one.classes, one.pseudo_classes & telling) for one in node.css_path_nodes)
        return (self._edition, *path)
