"""Servers of tools: this version has none to show, and says so."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.widgets import Static

from studio_tui.screens.place import CALM_S, STYLES, Place
from studio_tui.widgets.panel import Panel

EMPTY = """No servers of tools.

This version of Studio does not run MCP servers yet: its API has no path for them.
Models that call tools work all the same: their clients send the tools along (see tool_call_parser in a recipe)."""


class Mcp(Place):
    CSS_PATH = STYLES / "models.tcss"
    REST_S = CALM_S

    def content(self) -> ComposeResult:
        yield Panel("MCP", Static(EMPTY, markup=False, classes="empty"))
