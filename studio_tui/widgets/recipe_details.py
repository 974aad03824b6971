"""Everything there is to say about one recipe, and why it failed where it did."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from textwrap import wrap

from rich.segment import Segment
from textual.strip import Strip

from studio_core import wire
from studio_core.text import line
from studio_tui import status, unit
from studio_tui.view import Life, View
from studio_tui.widgets.reel import Block, Reel

# Label, text, tone.
Pair = tuple[str, str, str]
# Pieces of (text, tone) beside each other.
Pieces = tuple[tuple[str, str], ...]
# Fields that have lines of their own.
SHOWN = frozenset({"id", "name", "backend", "model_path", "max_model_len", "created_at", "updated_at", "version"})
# Of these the lines say what will be used, and why.
PARSERS = {"tool": "tool_call_parser", "reasoning": "reasoning_parser"}


class RecipeDetails(Reel, can_focus=False):
    """A `Static` would lay the whole screen out anew at each step through the list."""

    COMPONENT_CLASSES = {f"recipe-details--{tone}" for tone in (status.GOOD, status.BUSY, status.BAD, status.QUIET, status.ACCENT)}

    def __init__(self, ident: str | None = None) -> None:
        super().__init__(ident)
        self.follow = False
        self._lines: list[Pieces] = []
        self._strips: dict[int, Strip] = {}
        self._data: tuple[View, wire.RecipeView | wire.Foreign | None] = (View(), None)

    def fill(self, view: View, chosen: wire.RecipeView | wire.Foreign | None) -> None:
        another = chosen is None or self._data[1] is None or chosen.name != self._data[1].name
        self._data = view, chosen
        nothing: Pieces = (("choose a recipe", status.QUIET),)
        found = list(lines(view, chosen, self.width)) if chosen else [nothing]
        if found != self._lines:
            self._lines = found
            self._strips.clear()
            if another:
                self._place = self._skip = 0
            self.rebuild()

    def resized(self) -> None:
        self._lines = []
        self.fill(*self._data)

    # Rows.

    def before(self, place: int) -> Iterator[Block]:
        for at in range(min(place, len(self._lines)) - 1, -1, -1):
            yield Block(at, (self._strip(at),))

    def after(self, place: int) -> Iterator[Block]:
        for at in range(max(0, place), len(self._lines)):
            yield Block(at, (self._strip(at),))

    def _strip(self, at: int) -> Strip:
        found = self._strips.get(at)
        if found is None:
            names = ((text, f"recipe-details--{tone}" if tone else "") for text, tone in self._lines[at])
            strip = Strip([Segment(text, self._style(name)) for text, name in names])
            # On the panel's ground: a tone has none, and the terminal's own would show behind the words.
            found = self._strips[at] = strip.apply_style(self._style(""))
        return found

    def share(self, place: int) -> float:
        return place / max(1, len(self._lines) - self._extent.height)

    def _thumb(self, height: int) -> int:
        return super()._thumb(height) if len(self._lines) > height else -1


def lines(view: View, chosen: wire.RecipeView | wire.Foreign, width: int) -> Iterator[Pieces]:
    """Wrapped to the width, with the values in a column of their own and an empty line between blocks."""
    if isinstance(chosen, wire.Foreign):
        blocks: tuple[Iterator[Pair], ...] = (_stranger(view, chosen),)
    else:
        blocks = _now(view, chosen), _always(chosen), _fields(chosen)
    told = [rows for block in blocks if (rows := list(block))]
    for at, rows in enumerate(told):
        if at:
            yield ()
        yield from _block(rows, width)


def _block(rows: Sequence[Pair], width: int) -> Iterator[Pieces]:
    label = max(len(name) for name, _, _ in rows) + 2
    for name, text, tone in rows:
        first, *more = wrapped(text, max(12, width - label))
        yield ((name.ljust(label), status.QUIET), (first, tone))
        yield from (((" " * label, ""), (piece, tone)) for piece in more)


def wrapped(text: str, width: int) -> list[str]:
    """Every line of the text in lines of that width."""
    return [piece for each in text.split("\n") for piece in (wrap(each, width) or [""])]


def _now(view: View, recipe: wire.RecipeView) -> Iterator[Pair]:
    mark, life = status.mark(view.state(recipe)), view.life(recipe.id)
    yield "state", str(mark), mark.tone
    if life is not None and life.failure is not None:
        yield from failure(life.failure)
    elif life is not None:
        yield from _life(view, life)
    for problem in recipe.problems:
        yield "problem", problem, status.BAD


def _life(view: View, life: Life) -> Iterator[Pair]:
    one = life.instance
    if life.coming:
        percent = unit.percent(life.progress.percent, "no progress yet")
        yield "progress", " \u00b7 ".join(part for part in (percent, life.progress.message) if part), ""
    if one is not None:
        yield "address", f"{one.host}:{one.port}", ""
        yield "engine pid", str(one.engine_pid or unit.NOTHING), ""
        yield "running", unit.age(view.age(one.age_s)), ""
        if one.recipe_changed:
            yield "note", "the recipe was changed since this start", status.BUSY


def failure(why: wire.Failure) -> Iterator[Pair]:
    """Cause, remedy, last lines."""
    yield "cause", "\n".join(part for part in (why.title, why.detail) if part), status.BAD
    if why.hint:
        yield "remedy", why.hint, status.BUSY
    if why.fix:
        yield "fix", f"{why.fix.title} (f makes it)", status.BUSY
    if why.lines:
        yield "last lines", "\n".join(why.lines), ""


def _stranger(view: View, one: wire.Foreign) -> Iterator[Pair]:
    mark = status.mark("attached" if one.attached else "foreign")
    serves = f"served as {one.attached}, Enter detaches it" if one.attached else "Enter serves it through Studio"
    yield "state", f"{mark} \u00b7 {one.state} \u00b7 {serves}", mark.tone
    yield "engine", one.engine, ""
    yield "model", one.model or unit.NOTHING, ""
    yield "names", ", ".join(one.served_names) or unit.NOTHING, ""
    sure = "" if one.proof == "tree" else " (more of it cannot be seen)"
    yield "address", f"{one.host or 'port'}:{one.port}{sure}" if one.port else "not known", ""
    yield "pid", f"{one.pid} of {one.owner or 'somebody'}", ""
    yield "GPU memory", unit.size(one.memory_bytes), ""
    yield "running", unit.age(view.age(one.age_s)), ""
    if one.note:
        yield "note", one.note, status.BUSY


def _always(recipe: wire.RecipeView) -> Iterator[Pair]:
    yield "engine", recipe.backend, ""
    yield "model", recipe.model_path, ""
    if recipe.size_bytes is not None:
        held = f", {unit.size(recipe.memory_bytes)} when it runs" if recipe.memory_bytes else ""
        yield "size", unit.size(recipe.size_bytes) + held, ""
    yield "last used", (recipe.last_used_at or "never")[:16].replace("T", " "), ""
    for kind in PARSERS:
        if one := recipe.parsers.get(kind):
            yield f"{kind} parser", line(f"{one.name or 'none'}: {one.reason}"), ""
    if one := recipe.parsers.get("wants"):
        yield "beside them", line(f"{one.name}: {one.reason}"), ""


def _fields(recipe: wire.RecipeView) -> Iterator[Pair]:
    """The recipe's own settings, under their own names."""
    told = {PARSERS[kind] for kind in recipe.parsers if kind in PARSERS}
    for name, value in recipe.recipe.items():
        if name not in SHOWN | told and value not in (None, "", [], {}, False):
            yield name, line(str(value)), ""
