"""The recipes, and the engines of others: launch, stop, change, and what became of it."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace
from textual.app import ComposeResult
from textual.containers import Container
from textual.widgets import Input

from studio_core import wire
from studio_core.recipes.patch import difference
from studio_core.text import line
from studio_tui import listing, message, status, wanted
from studio_tui.keymap import bindings
from studio_tui.listing import COLUMNS, Line, Order, arrange, cells
from studio_tui.screens.place import STYLES, Place
from studio_tui.view import STOPPABLE, View
from studio_tui.widgets.panel import Panel
from studio_tui.widgets.recipe_details import RecipeDetails
from studio_tui.widgets.table import DOWNWARD, UPWARD, Row, Table

EMPTY = "no recipes yet \u00b7 n makes one, i makes one of a pasted command, 6 shows the models on this machine"
FOREIGN = "foreign-"


class Recipes(Place):
    CSS_PATH = STYLES / "recipes.tcss"
    BINDINGS = bindings("recipes")
    # The table needs its width for the columns: the details stand beside it only on a wall.
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (80, "-normal"), (168, "-wide")]

    def content(self) -> ComposeResult:
        self._table = Table(COLUMNS, "connecting to Studio", ident="recipes")
        self._details = RecipeDetails("details")
        self._panel = Panel("Details", self._details, ident="chosen")
        self._words = Input(id="words", compact=True, placeholder="words of name, engine, model, state or tag")
        self._words.cursor_blink = False
        self._list = Panel("Recipes", self._table, self._words, ident="list")
        self._lines: list[Line] = []
        self._strangers: list[wire.Foreign] = []
        self._keys: tuple[str, ...] = ()
        self._places: dict[str, int] = {}
        self._basis: tuple[object, ...] = ()
        self._order = Order()
        self._marked: frozenset[str] = frozenset()
        with Container(id="split"):
            yield self._list
            yield self._panel

    def on_mount(self) -> None:
        self._words.display = False
        self._table.leads = True
        self.set_focus(self._table)

    # What is shown.

    def show(self, view: View) -> None:
        self._arrange(view)
        recipes = view.recipes
        empty = (EMPTY if not self._words.value else "no recipe has these words") if recipes is not None else (
            view.link.why or status.LINKS[view.link.state].word)
        self._table.flow(self._keys, self._row, empty)
        self._detail()

    def _arrange(self, view: View) -> None:
        """Sorting thousands of lines at each tick would be felt: only when what they say or their order is another."""
        now, fates = view.status, view.fates()
        # Before the recipes are known the engines of others would take the cursor, and keep it below all of them.
        foreign = now.foreign if now is not None and view.recipes is not None else []
        words = self._words.value
        strangers = [one for one in foreign if all(word in told(one) for word in words.lower().split())]
        states = {name: life.state for name, life in fates.items()}
        basis = (view.recipes, words, self._order, states, now.holds if now else (), [one.pid for one in strangers])
        self._strangers = strangers
        if self._basis and self._basis[0] is view.recipes and basis[1:] == self._basis[1:]:
            return
        self._basis = basis
        recipes = view.recipes or ()
        self._lines = arrange(recipes, fates, view, words, self._order)
        self._keys = (*(one.recipe.id for one in self._lines), *(f"{FOREIGN}{one.pid}" for one in strangers))
        self._places = {key: at for at, key in enumerate(self._keys)}
        self._marked &= self._places.keys()
        self._table.mark(self._marked)
        self._table.order(listing.NAMES.index(self._order.name), self._order.down)
        self._list.note(self._note(len(recipes)))

    def _note(self, count: int) -> str:
        arrow = DOWNWARD if self._order.down else UPWARD
        facts = [f"by {listing.KINDS[self._order.name].column.title.lower()} {arrow}"]
        if self._words.value:
            facts.insert(0, f"{len(self._lines)} of {count} with {line(self._words.value)!r}")
        if self._marked:
            facts.insert(0, f"{len(self._marked)} marked")
        return " \u00b7 ".join(facts)

    def _row(self, at: int) -> Row:
        if at >= len(self._lines):
            return listing.stranger(self._strangers[at - len(self._lines)], self.view)
        one = replace(self._lines[at], added_s=max(0.0, self.view.now - self.view.recipes_at))
        return Row(one.recipe.id, cells(one))

    def select(self, recipe_id: str) -> None:
        self._table.select(recipe_id)

    @property
    def chosen(self) -> wire.RecipeView | None:
        """The recipe under the cursor."""
        at = self._places.get(self._table.key or "", len(self._lines))
        return self._lines[at].recipe if at < len(self._lines) else None

    @property
    def stranger(self) -> wire.Foreign | None:
        """The foreign engine under the cursor."""
        return next((one for one in self._strangers if f"{FOREIGN}{one.pid}" == self._table.key), None)

    @property
    def group(self) -> list[wire.RecipeView]:
        """What is marked; without marks the recipe under the cursor."""
        marked = [one.recipe for one in self._lines if one.recipe.id in self._marked]
        return marked or [one for one in (self.chosen,) if one is not None]

    def _detail(self) -> None:
        chosen = self.chosen or self.stranger
        self._panel.title(chosen.name if chosen else "Details")
        self._details.fill(self.view, chosen)

    def on_table_moved(self, event: Table.Moved) -> None:
        event.stop()
        self._detail()

    def on_table_chosen(self, event: Table.Chosen) -> None:
        """What was clicked, whatever is marked."""
        event.stop()
        self._launch(self.chosen)

    # The list: filter, order, marks.

    def extra(self) -> dict[str, Any]:
        return {"words": self._words.value, "by": self._order.name, "down": self._order.down}

    def recalled(self, kept: dict[str, Any]) -> None:
        words, by = kept.get("words"), kept.get("by")
        if isinstance(words, str) and words:
            self._words.value, self._words.display = words, True
        if isinstance(by, str) and by in listing.KINDS:
            self._order = Order(by, kept.get("down") is True)

    def action_filter(self) -> None:
        self._words.display = True
        self.set_focus(self._words)

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self.show(self.view)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self._words.display = bool(event.value)
        self.set_focus(self._table)

    def action_back(self) -> None:
        self.back()

    def back(self) -> bool:
        """One step back: the filter, then the marks."""
        if self._words.value or self._words.display:
            self._words.value = ""
            self._words.display = False
            self.set_focus(self._table)
            self.show(self.view)
            return True
        if self._marked:
            self._mark(frozenset())
            return True
        return False

    def action_sort(self) -> None:
        self._sort(self._order.next())

    def action_reverse(self) -> None:
        self._sort(self._order.reversed())

    def on_table_headed(self, event: Table.Headed) -> None:
        event.stop()
        self._sort(self._order.of(event.column))

    def _sort(self, order: Order) -> None:
        self._order = order
        self.show(self.view)

    def action_mark(self) -> None:
        if recipe := self._named():
            self._mark(self._marked ^ {recipe.id})
            self._table.action_down()

    def _mark(self, marked: frozenset[str]) -> None:
        self._marked, self._basis = marked, ()
        self.show(self.view)

    # What is done.

    def _named(self) -> wire.RecipeView | None:
        """The recipe under the cursor. Where there is none, that is said: no key does nothing."""
        if self.chosen is None:
            one = self.stranger
            self.post_message(message.Said(
                f"{one.name} is no recipe: Enter serves it or lets it go, s stops it" if one else "no recipe is here: n makes one"
            ))
        return self.chosen

    def _named_group(self) -> list[wire.RecipeView]:
        return self.group or [one for one in (self._named(),) if one is not None]

    def action_launch(self) -> None:
        if len(self._marked) > 1:
            self.post_message(wanted.LaunchMany(tuple(self.group)))
        else:
            self._launch(self.group[0] if self._marked else self.chosen)

    def _launch(self, recipe: wire.RecipeView | None) -> None:
        if recipe is not None:
            self.post_message(wanted.Launch(recipe.id, recipe.name))
        elif one := self.stranger:
            self.post_message(wanted.Attach(one) if one.attached is None else wanted.Detach(one))
        else:
            self._named()

    def action_stop(self) -> None:
        if one := self.stranger:
            self.post_message(wanted.StopForeign(one))
            return
        stops = [stop for stop in map(self._stop, self.group) if stop is not None]
        if len(stops) > 1:
            self.post_message(wanted.StopMany(tuple(stops)))
        elif stops:
            self.post_message(stops[0])
        elif group := self._named_group():
            self.post_message(message.Said(f"{', '.join(one.name for one in group)} does not run"))

    def _stop(self, recipe: wire.RecipeView) -> wanted.Stop | None:
        life = self.view.life(recipe.id)
        if life is None or (life.instance is None and not life.coming) or (life.instance and life.state not in STOPPABLE):
            return None
        return wanted.Stop(recipe.id, recipe.name, life.instance.id if life.instance else None)

    def action_fix(self) -> None:
        recipe = self._named()
        life = self.view.life(recipe.id) if recipe else None
        if recipe is None:
            return
        fix = life.failure.fix if life and life.failure else None
        lines = tuple(difference(recipe.recipe, fix.change)) if fix else ()
        if fix and lines:
            self.post_message(wanted.Fix(recipe.id, recipe.name, fix.title, lines))
        elif fix:
            self.post_message(message.Said(f"{recipe.name} is changed so already: {fix.title}"))
        else:
            self.post_message(message.Said(f"no change of {recipe.name} is known that would help"))

    def action_more(self) -> None:
        if recipe := self.chosen:
            life = self.view.life(recipe.id)
            self.post_message(wanted.OpenMenu(recipe.id, recipe.name, life.instance if life else None))
        else:
            self.action_launch()

    def action_edit(self) -> None:
        if recipe := self._named():
            self.post_message(wanted.EditForm(recipe.id))

    def action_text(self) -> None:
        if recipe := self._named():
            self.post_message(wanted.EditText(recipe.id))

    def action_new(self) -> None:
        self.post_message(wanted.NewRecipe())

    def action_copy(self) -> None:
        if recipe := self._named():
            self.post_message(wanted.CopyRecipe(recipe.id))

    def action_pin(self) -> None:
        if group := self._named_group():
            pin = not all(one.recipe.get("pin") for one in group)
            self.post_message(wanted.Pin(tuple(one.id for one in group), pin))
            self._mark(frozenset())

    def action_delete(self) -> None:
        if group := self._named_group():
            self.post_message(wanted.Delete(tuple((one.id, one.name) for one in group)))

    def action_command(self) -> None:
        if recipe := self._named():
            self.post_message(wanted.ShowCommand(recipe.id, recipe.name))

    def action_curl(self) -> None:
        if recipe := self._named():
            self.post_message(wanted.CopyQuestion(str(recipe.recipe.get("served_model_name") or recipe.id)))

    def action_paste(self) -> None:
        from studio_tui.screens.paste import Paste

        self.app.push_screen(Paste(self.bridge))

    def action_logs(self) -> None:
        recipe = self._named()
        life = self.view.life(recipe.id) if recipe else None
        if recipe is None:
            return
        log_id = life.instance.id if life and life.instance else life.launch.instance_id if life and life.launch else None
        unknown = message.Said(f"{recipe.name} has not been started since Studio runs")
        self.post_message(wanted.OpenLog(log_id) if log_id else unknown)


def told(one: wire.Foreign) -> str:
    """What the filter looks at."""
    return f"{one.name} {one.engine} {one.model} {one.owner} foreign {one.attached or ''}".lower()
