"""The recipes: launch, stop, and what became of it."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Container

from studio_core import wire
from studio_core.recipes.patch import difference
from studio_tui import status, unit
from studio_tui.keymap import bindings
from studio_tui.message import Fix, Launch, OpenLog, Said, Stop
from studio_tui.screens.place import STYLES, Place
from studio_tui.view import STOPPABLE, View
from studio_tui.widgets.panel import Panel
from studio_tui.widgets.recipe_details import RecipeDetails
from studio_tui.widgets.table import Cell, Column, Row, Table

COLUMNS = (
    Column("RECIPE", 14, flex=2),
    Column("STATE", 11),
    Column("ENGINE", 8, needs=56),
    Column("MODEL", 12, flex=3, needs=74),
    Column("CONTEXT", 7, right=True, needs=66),
    Column("LOADED IN", 9, right=True),
)
EMPTY = "no recipes yet \u00b7 studio recipes import FILE adds some, studio demo fetches one with its model"


class Recipes(Place):
    CSS_PATH = STYLES / "recipes.tcss"
    BINDINGS = bindings("recipes")

    def content(self) -> ComposeResult:
        self._table = Table(COLUMNS, "connecting to Studio", ident="recipes")
        self._details = RecipeDetails(id="details")
        self._panel = Panel("Details", self._details, ident="chosen")
        with Container(id="split"):
            yield Panel("Recipes", self._table, ident="list")
            yield self._panel

    def on_mount(self) -> None:
        self.set_focus(self._table)

    def show(self, view: View) -> None:
        recipes = view.recipes
        empty = EMPTY if recipes is not None else view.link.why or status.LINKS[view.link.state].word
        self._table.fill([row(view, one) for one in recipes or ()], empty)
        self._detail()

    def select(self, recipe_id: str) -> None:
        self._table.select(recipe_id)

    def _chosen(self) -> wire.RecipeView | None:
        return next((one for one in self.view.recipes or () if one.id == self._table.key), None)

    def _detail(self) -> None:
        recipe = self._chosen()
        self._panel.title(recipe.name if recipe else "Details")
        self._details.fill(self.view, recipe)

    def on_table_moved(self, event: Table.Moved) -> None:
        event.stop()
        self._detail()

    def on_table_chosen(self, event: Table.Chosen) -> None:
        event.stop()
        self.action_launch()

    def action_launch(self) -> None:
        if recipe := self._chosen():
            self.post_message(Launch(recipe.id, recipe.name))

    def action_stop(self) -> None:
        recipe = self._chosen()
        life = self.view.life(recipe.id) if recipe else None
        if recipe is None:
            return
        if life is None or (life.instance is None and not life.coming) or (life.instance and life.state not in STOPPABLE):
            self.post_message(Said(f"{recipe.name} does not run"))
        else:
            self.post_message(Stop(recipe.id, recipe.name, life.instance.id if life.instance else None))

    def action_fix(self) -> None:
        recipe = self._chosen()
        life = self.view.life(recipe.id) if recipe else None
        if recipe is None:
            return
        fix = life.failure.fix if life and life.failure else None
        lines = tuple(difference(recipe.recipe, fix.change)) if fix else ()
        if fix and lines:
            self.post_message(Fix(recipe.id, recipe.name, fix.title, lines))
        elif fix:
            self.post_message(Said(f"{recipe.name} is changed so already: {fix.title}"))
        else:
            self.post_message(Said(f"no change of {recipe.name} is known that would help"))

    def action_paste(self) -> None:
        from studio_tui.screens.paste import Paste

        self.app.push_screen(Paste(self.bridge))

    def action_logs(self) -> None:
        recipe = self._chosen()
        life = self.view.life(recipe.id) if recipe else None
        if recipe is None:
            return
        log_id = life.instance.id if life and life.instance else life.launch.instance_id if life and life.launch else None
        self.post_message(OpenLog(log_id) if log_id else Said(f"{recipe.name} has not been started since Studio runs"))


def row(view: View, recipe: wire.RecipeView) -> Row:
    """A recipe as a line of the table."""
    mark = status.mark(view.state(recipe))
    context = recipe.recipe.get("max_model_len")
    return Row(recipe.id, (
        Cell(recipe.name),
        Cell(str(mark), mark.tone),
        Cell(recipe.backend),
        Cell(recipe.model_path.rstrip("/").rpartition("/")[2], status.QUIET),
        Cell(unit.count(context) if isinstance(context, int) else unit.NOTHING),
        Cell(unit.NOTHING if recipe.last_load_s is None else load(recipe.last_load_s)),
    ))


def load(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 60 else unit.age(seconds)
