"""The model files of this machine, and which recipes use them."""

from __future__ import annotations

from textual.app import ComposeResult

from studio_core import wire
from studio_tui import message, status, unit, wanted
from studio_tui.keymap import bindings
from studio_tui.screens.place import CALM_S, STYLES, Place
from studio_tui.widgets.panel import Panel
from studio_tui.widgets.table import Cell, Column, Row, Table

COLUMNS = (
    Column("MODEL", 18, flex=3),
    Column("SIZE", 9, right=True),
    Column("QUANT", 8, needs=50),
    Column("CONTEXT", 9, right=True, needs=70),
    Column("ARCHITECTURE", 14, flex=2, needs=90),
    Column("RECIPES", 12, flex=2, needs=58),
)


class Models(Place):
    CSS_PATH = STYLES / "models.tcss"
    BINDINGS = bindings("models")
    REST_S = CALM_S

    def content(self) -> ComposeResult:
        self._table = Table(COLUMNS, "looking for model files", ident="files")
        self._found: tuple[wire.ModelFile, ...] = ()
        self._panel = Panel("Models on this machine", self._table, ident="list")
        yield self._panel

    def on_mount(self) -> None:
        self.set_focus(self._table)

    def read(self) -> None:
        self.bridge.models(self)

    def action_refresh(self) -> None:
        self.bridge.models(self)
        self.post_message(message.Said("model files: looked for anew"))

    def on_models_came(self, news: message.ModelsCame) -> None:
        news.stop()
        found = news.found
        self._found = tuple(found.models)
        places = ", ".join(one.path for one in found.roots if one.exists)
        empty = f"no model files below {places}" if places else f"the models folder {found.configured_models_dir} is not there"
        self._table.fill([row(one) for one in self._found], f"{empty} \u00b7 set models_dir in the settings")
        count = len(self._found)
        self._panel.note(f"{count} model{'s' if count != 1 else ''} \u00b7 {unit.size(sum(one.size_bytes for one in self._found))}")

    @property
    def chosen(self) -> wire.ModelFile | None:
        return next((one for one in self._found if one.path == self._table.key), None)

    def on_table_chosen(self, event: Table.Chosen) -> None:
        event.stop()
        self.action_recipe()

    def action_recipe(self) -> None:
        one = self.chosen
        if one is None:
            self.post_message(message.Said("no model file is selected"))
        elif one.recipe_ids:
            self.post_message(wanted.OpenRecipe(one.recipe_ids[0]))
        else:
            self.post_message(message.Said(f"no recipe uses {one.name} yet: n makes one"))

    def action_new(self) -> None:
        one = self.chosen
        self.post_message(wanted.NewRecipe(proposed(one)) if one else message.Said("no model file is selected"))


def proposed(one: wire.ModelFile) -> tuple[tuple[str, object], ...]:
    """The fields of a recipe for a model: the engine that reads its format, and no more context than it has."""
    is_gguf = one.path.endswith(".gguf")
    words = "".join(letter if letter.isascii() and (letter.isalnum() or letter in "._-") else "-" for letter in one.name)
    fields: dict[str, object] = {
        "id": words.removesuffix(".gguf").strip("-._").lower()[:100], "name": one.name.removesuffix(".gguf"),
        "model_path": one.path, "backend": "llamacpp" if is_gguf else "vllm",
    }
    if one.context_length:
        fields["max_model_len"] = min(one.context_length, 32768)
    return tuple(fields.items())


def row(one: wire.ModelFile) -> Row:
    return Row(one.path, (
        Cell(one.name), Cell(unit.size(one.size_bytes)), Cell(one.quantization or unit.NOTHING, status.QUIET),
        Cell(unit.count(one.context_length) if one.context_length else unit.NOTHING),
        Cell(one.architecture or unit.NOTHING, status.QUIET), Cell(", ".join(one.recipe_ids) or unit.NOTHING, status.ACCENT),
    ))
