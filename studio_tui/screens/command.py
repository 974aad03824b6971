"""The exact command and environment of a launch, with the origin of each value."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from textual.app import ComposeResult
from textual.content import Content
from textual.screen import ModalScreen

from studio_core import wire
from studio_tui.keymap import bindings
from studio_tui.screens.place import STYLES
from studio_tui.wanted import Copy
from studio_tui.widgets.page import Page

ORIGINS = {"studio": "Studio", "recipe": "the recipe", "engine_env": "engine_env of the settings", "inherited": "this machine"}


class CommandPage(ModalScreen[None]):
    CSS_PATH = STYLES / "dialog.tcss"
    BINDINGS = bindings("command")
    AUTO_FOCUS = "#page"

    def __init__(self, name: str, found: wire.Check) -> None:
        super().__init__()
        self._name, self._found = name, found

    def compose(self) -> ComposeResult:
        page = Page(Content.assemble(*pieces(self._found)), "page")
        page.border_title = Content(f"What a launch of {self._name} runs")
        page.border_subtitle = "y: copy \u00b7 esc: close \u00b7 secrets are hidden"
        yield page

    def action_copy(self) -> None:
        self.post_message(Copy(shlex.join(self._found.argv), "the command"))

    def action_close(self) -> None:
        self.dismiss()


def pieces(found: wire.Check) -> Iterator[tuple[str, str]]:
    for one in found.problems:
        style = "$text-error" if one.severe else "$text-warning"
        yield f"{'wrong' if one.severe else 'note'}  {one.field}: {one.text}\n", style
        if one.hint:
            yield f"      {one.hint}\n", "$quiet"
    if found.problems:
        yield "\n", ""
    if found.argv:
        yield "Command", "bold $primary"
        yield " (its port and folder are chosen at the launch)\n", "$quiet"
        yield from _argv(found.argv)
        yield (f"  program from {found.origin}\n", "$quiet") if found.origin else ("", "")
    for origin, words in ORIGINS.items():
        mine = [variable for variable in found.environment if variable.origin == origin]
        if mine:
            yield f"\nEnvironment from {words}\n", "bold $primary"
        for variable in mine:
            yield f"  {variable.name}", "$accent"
            yield f"={variable.value}\n", ""
    if found.files:
        yield "\nFiles of the instance's folder\n", "bold $primary"
        yield from ((f"  {file}\n", "") for file in found.files)
    for node in found.nodes:
        yield f"\nTo run on {node.host}\n", "bold $primary"
        yield f"  {node.line}\n", ""


def _argv(argv: list[str]) -> Iterator[tuple[str, str]]:
    """A flag and its values on one line each, so that it is read and can be copied."""
    lines: list[list[str]] = []
    for word in argv:
        if not lines or (word.startswith("-") and len(lines[-1]) > 0 and not _is_number(word)):
            lines.append([])
        lines[-1].append(shlex.quote(word))
    for at, words in enumerate(lines):
        end = " \\\n" if at < len(lines) - 1 else "\n"
        yield f"  {'  ' if at else ''}{words[0]}", "$accent" if at else "bold"
        yield " ".join(["", *words[1:]]) + end, ""


def _is_number(word: str) -> bool:
    return word.lstrip("-").replace(".", "", 1).isdigit()
