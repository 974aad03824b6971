"""Every action of the app: its stable id, its words. Keys stand in `config/keymap.yaml`, under the same ids."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Action:
    """`id` is `context.name`; `run` is what Textual calls, by default the method `action_name`. `label` is for the footer."""

    id: str
    label: str
    doc: str
    run: str = ""
    footer: bool = False

    @property
    def context(self) -> str:
        return self.id.partition(".")[0]

    @property
    def call(self) -> str:
        return self.run or self.id.partition(".")[2]


TABLE: tuple[Action, ...] = (
    Action("app.dashboard", "Dashboard", "GPUs, host and running models", "app.show('dashboard')"),
    Action("app.recipes", "Recipes", "the recipes; launch and stop", "app.show('recipes')"),
    Action("app.help", "Help", "what can be done here, and with which key", "app.help", footer=True),
    Action("app.palette", "Palette", "every action, found by its name", "app.command_palette", footer=True),
    Action("app.theme", "Theme", "switch between dark and light", "app.switch_theme"),
    Action("app.leave", "Quit", "leave; engines go on", "app.leave", footer=True),
    Action("app.quit", "Quit", "leave from anywhere; engines go on", "app.leave"),
    Action("recipes.launch", "Launch", "launch the selected recipe", footer=True),
    Action("recipes.stop", "Stop", "stop its model, or cancel its launch, after asking", footer=True),
    Action("table.up", "Up", "row above"),
    Action("table.down", "Down", "row below"),
    Action("table.first", "First", "first row"),
    Action("table.last", "Last", "last row"),
    Action("table.page_up", "Page up", "one page up"),
    Action("table.page_down", "Page down", "one page down"),
    Action("help.close", "Close", "close this page"),
    Action("dialog.accept", "Yes", "do it"),
    Action("dialog.refuse", "No", "leave it"),
)


def of(context: str) -> tuple[Action, ...]:
    """The actions of one context, in the table's order."""
    return tuple(action for action in TABLE if action.context == context)
