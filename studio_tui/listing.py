"""The list of recipes: which are shown, in which order, and what each line says. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from studio_core import wire
from studio_tui import status, unit
from studio_tui.view import Life, View
from studio_tui.widgets.table import Cell, Column, Row

PIN = "\u2691"
# Sorted by state, what needs somebody comes first, then what is on its way, then what works.
STATES = ("failed", "stuck", "broken", "planned", "waiting", "starting", "downloading", "loading", "ready", "draining", "stopping",
          "cleaning", "sleeping", "held", "stopped")
RANKS = {name: at for at, name in enumerate(STATES)}


class Line(Struct, frozen=True):
    """A recipe with what it does now; `added_s` has passed since its ages were true."""

    recipe: wire.RecipeView
    state: str
    added_s: float = 0.0

    @property
    def field(self) -> Mapping[str, Any]:
        return self.recipe.recipe

    @property
    def age(self) -> float | None:
        age = self.recipe.last_used_age_s
        return None if age is None else age + self.added_s


class Kind(Struct, frozen=True):
    """A column: how it is drawn, what it says of a line, and what it is sorted by; None goes last in either direction.

    `down`: sorted by it for the first time, the largest comes first.
    """

    column: Column
    cell: Callable[[Line], Cell]
    by: Callable[[Line], Any]
    down: bool = False


def _gpus(one: Line) -> int | None:
    """How many GPUs it takes; not known of an engine that takes what it finds."""
    named = one.field.get("gpus")
    if named is not None:
        return len(named)
    spread = (one.field.get("tensor_parallel_size") or 1) * (one.field.get("pipeline_parallel_size") or 1)
    return spread if one.recipe.backend != "llamacpp" or spread > 1 else None


def _context(one: Line) -> int | None:
    value = one.field.get("max_model_len")
    return value if isinstance(value, int) else None


def _text(value: str | None, tone: str = "") -> Cell:
    return Cell(unit.NOTHING, status.QUIET) if value is None else Cell(value, tone)


def _state(one: Line) -> Cell:
    mark = status.mark(one.state)
    return Cell(str(mark), mark.tone)


def _name(one: Line) -> Cell:
    return Cell(f"{PIN} {one.recipe.name}" if one.field.get("pin") else one.recipe.name)


def ago(seconds: float | None) -> str | None:
    """Coarse: a list that changes every second is hard to read."""
    if seconds is None:
        return None
    if seconds < 60:
        return "now"
    return unit.age(seconds).partition(" ")[0] + " " + unit.age(seconds).split()[1]


def load(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 10 else unit.age(seconds)


def _maybe(value: Any, words: Callable[[Any], str]) -> str | None:
    return None if value is None else words(value)


KINDS: Mapping[str, Kind] = {
    "name": Kind(Column("RECIPE", 15, flex=3), _name, lambda one: one.recipe.name.lower()),
    "state": Kind(Column("STATE", 11), _state, lambda one: RANKS.get(one.state, len(RANKS))),
    "engine": Kind(Column("ENGINE", 8, needs=58), lambda one: Cell(one.recipe.backend), lambda one: one.recipe.backend),
    "gpus": Kind(Column("GPUS", 5, right=True, needs=94), lambda one: _text(_maybe(_gpus(one), str)), _gpus, down=True),
    "size": Kind(Column("SIZE", 8, right=True, needs=68), lambda one: _text(_maybe(one.recipe.size_bytes, unit.size)),
                 lambda one: one.recipe.size_bytes, down=True),
    "context": Kind(Column("CONTEXT", 8, right=True, needs=84), lambda one: _text(_maybe(_context(one), unit.count)),
                    _context, down=True),
    "used": Kind(Column("USED", 5, right=True), lambda one: _text(ago(one.age)), lambda one: one.age),
    "load": Kind(Column("LOADED IN", 10, right=True, needs=76), lambda one: _text(_maybe(one.recipe.last_load_s, load)),
                 lambda one: one.recipe.last_load_s),
    "speed": Kind(Column("TOK/S", 6, right=True, needs=104),
                  lambda one: _text(_maybe(one.recipe.tokens_per_s, lambda rate: f"{rate:.0f}")),
                  lambda one: one.recipe.tokens_per_s, down=True),
}
NAMES = tuple(KINDS)
COLUMNS = tuple(kind.column for kind in KINDS.values())


def cells(one: Line) -> tuple[Cell, ...]:
    return tuple(kind.cell(one) for kind in KINDS.values())


def stranger(one: wire.Foreign, view: View) -> Row:
    """An engine that Studio did not start, in the columns of the recipes; what it holds stands for its size."""
    mark = status.mark("attached" if one.attached else "foreign")
    told = {
        "name": Cell(one.attached or one.name), "state": Cell(str(mark), mark.tone), "engine": Cell(one.engine),
        "size": _text(_maybe(one.memory_bytes, unit.size)), "used": _text(ago(view.age(one.age_s)), status.QUIET),
    }
    return Row(f"foreign-{one.pid}", tuple(told.get(name, Cell(unit.NOTHING, status.QUIET)) for name in NAMES))


class Order(Struct, frozen=True):
    """By which column, and whether the largest comes first. Without a column: pinned, then the last used."""

    name: str = "used"
    down: bool = False

    def next(self) -> Order:
        name = NAMES[(NAMES.index(self.name) + 1) % len(NAMES)]
        return Order(name, KINDS[name].down)

    def of(self, column: int) -> Order:
        """A click on a title: its column, or the other way round."""
        name = NAMES[column]
        return Order(name, not self.down) if name == self.name else Order(name, KINDS[name].down)

    def reversed(self) -> Order:
        return Order(self.name, not self.down)


def matches(recipe: wire.RecipeView, words: Sequence[str], state: str) -> bool:
    """Whether every word stands somewhere in what the list or the details say of it."""
    told = f"{recipe.id} {recipe.name} {recipe.backend} {recipe.model_path} {status.mark(state).word} " \
           f"{' '.join(map(str, recipe.recipe.get('tags') or ()))}".lower()
    return all(word in told for word in words)


def arrange(recipes: Sequence[wire.RecipeView], fates: Mapping[str, Life], view: View, text: str, order: Order) -> list[Line]:
    """The lines in their order: what is pinned is always above."""
    words = text.lower().split()
    lines = [Line(one, view.state_of(one, fates.get(one.id))) for one in recipes]
    lines = [one for one in lines if not words or matches(one.recipe, words, one.state)]
    lines.sort(key=lambda one: one.recipe.name.lower())
    by = KINDS[order.name].by
    known = sorted((one for one in lines if by(one) is not None), key=by, reverse=order.down)
    found = known + [one for one in lines if by(one) is None]
    return sorted(found, key=lambda one: not one.field.get("pin"))
