"""The styles of the app, parsed once per theme: Textual does it whenever a screen brings some, and twice at its start."""

from __future__ import annotations

from textual.css.stylesheet import Stylesheet


class Sheet(Stylesheet):
    """What was parsed stands until a variable changes. Shipped styles have no mistakes: there is nothing to go back to."""

    def set_variables(self, variables: dict[str, str]) -> None:
        if variables != self._variables:
            super().set_variables(variables)

    def reparse(self) -> None:
        self.parse()
