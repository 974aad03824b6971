"""Every action by its name, in a dialog that looks like the others."""

from __future__ import annotations

from textual.command import CommandPalette

from studio_tui.screens.place import STYLES


class Palette(CommandPalette):
    CSS_PATH = STYLES / "palette.tcss"

    def __init__(self) -> None:
        # By this name Textual knows whether it is open.
        super().__init__(placeholder="a few letters of what you want to do", id="--command-palette")
