"""Another model: a few letters and Enter, and that model serves next."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from studio_core import wire
from studio_tui import fuzzy, status, unit
from studio_tui.bridge import Bridge
from studio_tui.keymap import bindings
from studio_tui.listing import ago, load
from studio_tui.message import PlansCame
from studio_tui.screens.place import STYLES
from studio_tui.view import View
from studio_tui.wanted import Launch
from studio_tui.widgets.table import Cell, Column, Row, Table

COLUMNS = (
    Column("MODEL", 14, flex=1),
    Column("STATE", 11),
    Column("MEMORY", 18, right=True, needs=54),
    Column("STARTS IN", 10, right=True),
    Column("USED", 5, right=True, needs=46),
)
FITS = {True: ("fits", status.GOOD), False: ("too large", status.BAD), None: ("", status.QUIET)}
# What serves already needs no start.
INSTANT = {"serves": "now", "wakes": "wakes", "joins": "coming"}


class Switcher(ModalScreen[None]):
    """Letters filter, arrows choose, Enter launches. What leaves for it is asked where somebody has to."""

    CSS_PATH = STYLES / "dialog.tcss"
    BINDINGS = bindings("switcher")
    AUTO_FOCUS = "#letters"

    def __init__(self, bridge: Bridge, view: View) -> None:
        super().__init__()
        self._bridge = bridge
        self._view = view
        self._plans: dict[str, wire.LaunchPlan] = {}
        self._shown: tuple[wire.RecipeView, ...] = ()

    def compose(self) -> ComposeResult:
        self._table = Table(COLUMNS, "no recipes yet", ident="models")
        self._letters = Input(id="letters", compact=True, placeholder="a few letters of its name")
        self._letters.cursor_blink = False
        self._line = Static("", id="plan", markup=False)
        with Vertical(id="switcher") as dialog:
            dialog.border_title = "Switch to"
            dialog.border_subtitle = "Enter: it serves next \u00b7 esc: leave"
            yield self._letters
            yield self._table
            yield self._line

    def on_mount(self) -> None:
        self._table.can_focus = False
        self._table.leads = True
        self._bridge.plans(self)
        self._fill()

    def on_plans_came(self, news: PlansCame) -> None:
        news.stop()
        self._plans = {one.recipe_id: one for one in news.plans}
        self._fill()

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self._fill()
        self._table.action_first()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self._choose()

    def on_table_chosen(self, event: Table.Chosen) -> None:
        event.stop()
        self._choose()

    def on_table_moved(self, event: Table.Moved) -> None:
        event.stop()
        self._tell()

    def _choose(self) -> None:
        recipe = next((one for one in self._shown if one.id == self._table.key), None)
        if recipe is not None:
            self.dismiss()
            self.app.post_message(Launch(recipe.id, recipe.name))

    def _fill(self) -> None:
        self._shown = found(self._view.recipes or (), self._letters.value.lower())
        fates = self._view.fates()
        rows = [self._row(one, self._view.state_of(one, fates.get(one.id))) for one in self._shown]
        self._table.fill(rows, "no recipe has these letters" if self._letters.value else "no recipes yet")
        self._tell()

    def _row(self, recipe: wire.RecipeView, state: str) -> Row:
        mark, plan = status.mark(state), self._plans.get(recipe.id)
        word, tone = FITS[plan.fits if plan else None]
        used = ago(recipe.last_used_age_s) or unit.NOTHING
        return Row(recipe.id, (
            Cell(recipe.name), Cell(str(mark), mark.tone), Cell(f"{memory(plan)} {word}".strip(), tone),
            Cell(starts_in(recipe, plan)), Cell(used, status.QUIET),
        ))

    def _tell(self) -> None:
        self._line.update(sentence(self._plans.get(self._table.key or "")))

    def action_up(self) -> None:
        self._table.action_up()

    def action_down(self) -> None:
        self._table.action_down()

    def action_page_up(self) -> None:
        self._table.action_page_up()

    def action_page_down(self) -> None:
        self._table.action_page_down()

    def action_close(self) -> None:
        self.dismiss()


def found(recipes: Sequence[wire.RecipeView], letters: str) -> tuple[wire.RecipeView, ...]:
    """Those with the letters, the best first; among equals, and without letters, the last used first."""
    scores = {one.id: fuzzy.match(letters, f"{one.name} {one.id}".lower()) for one in recipes}
    kept = [one for one in recipes if scores[one.id] is not None]
    kept.sort(key=lambda one: (-(scores[one.id] or 0), one.last_used_age_s is None, one.last_used_age_s or 0.0, one.name.lower()))
    return tuple(kept)


def memory(plan: wire.LaunchPlan | None) -> str:
    """What it needs; of weights alone, at least that."""
    if plan is None or plan.needs_bytes is None:
        return ""
    return ("\u2265" if plan.source == "files" else "") + unit.size(plan.needs_bytes)


def starts_in(recipe: wire.RecipeView, plan: wire.LaunchPlan | None) -> str:
    if plan is not None and plan.outcome in INSTANT:
        return INSTANT[plan.outcome]
    seconds = plan.expected_s if plan else recipe.last_load_s
    return unit.NOTHING if seconds is None else load(seconds)


def sentence(plan: wire.LaunchPlan | None) -> str:
    """What Enter would do, on one line."""
    if plan is None:
        return ""
    if plan.outcome == "serves":
        return "it serves already"
    if plan.outcome == "broken":
        return "this recipe cannot be read: correct it first"
    parts = [f"{one.name} leaves" + (f" after {one.running} requests" if one.running else "") for one in plan.leaving]
    if plan.needs_bytes is not None and plan.free_bytes is not None:
        parts.append(f"needs {memory(plan)} of {unit.size(plan.free_bytes)} then free")
    return " \u00b7 ".join(parts) or "nobody has to leave"
