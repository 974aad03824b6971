"""The rooms of the app, in the order of their digits."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Room:
    """A place that a digit opens: its module below `studio_tui.screens` is imported when it is first shown."""

    title: str
    module: str
    name: str


ROOMS = {
    "dashboard": Room("Dashboard", "dashboard", "Dashboard"),
    "recipes": Room("Recipes", "recipes", "Recipes"),
    "logs": Room("Logs", "logs", "Logs"),
    "chat": Room("Chat", "chat", "Chat"),
    "usage": Room("Usage", "usage", "Usage"),
    "models": Room("Models", "models", "Models"),
    "mcp": Room("MCP", "mcp", "Mcp"),
    "bench": Room("Bench", "bench", "Bench"),
    "system": Room("System", "system", "System"),
}
