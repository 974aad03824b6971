"""What reading a command or another tool's file as recipes answers."""

from __future__ import annotations

from typing import Any

from studio_core.wire.model import Model


class Imported(Model):
    """A recipe that was read: its fields, the same as YAML, and what it could not say. Nothing is stored.

    `unknown` are flags that this engine's table does not have; they are kept in extra_args.
    """

    recipe: dict[str, Any]
    text: str
    notes: list[str] = []
    unknown: list[str] = []


class Import(Model):
    """POST /recipes/import: what the text was, and the recipes in it; `notes` belong to no single recipe."""

    kind: str
    recipes: list[Imported]
    notes: list[str] = []


class ShellLine(Model):
    """GET /recipes/{id}/shell: the recipe as a line for a shell, the port a variable, secrets left out."""

    line: str
    notes: list[str] = []
