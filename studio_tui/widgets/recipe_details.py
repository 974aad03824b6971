"""Everything there is to say about one recipe, and why it failed where it did."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import wrap

from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from studio_core import wire
from studio_core.text import line
from studio_tui import status, unit
from studio_tui.view import Life, View

# Label, text, style.
Pair = tuple[str, str, str]
# Fields that have lines of their own.
SHOWN = frozenset({"id", "name", "backend", "model_path", "max_model_len", "created_at", "updated_at", "version"})
# Of these the lines say what will be used, and why.
PARSERS = {"tool": "tool_call_parser", "reasoning": "reasoning_parser"}
TONES = {status.GOOD: "$text-success", status.BUSY: "$text-warning", status.BAD: "$text-error", status.QUIET: "$quiet"}


class RecipeDetails(VerticalScroll, can_focus=False):
    def compose(self) -> Iterator[Static]:
        self._text = Static("", markup=False)
        self._shown: tuple[tuple[str, str], ...] = ()
        self._data: tuple[View, wire.RecipeView | wire.Foreign | None] = (View(), None)
        yield self._text

    def fill(self, view: View, chosen: wire.RecipeView | wire.Foreign | None) -> None:
        self._data = view, chosen
        width = self.scrollable_content_region.width
        parts = tuple(pieces(view, chosen, width)) if chosen else (("choose a recipe", "$quiet"),)
        if parts != self._shown:
            self._shown = parts
            self._text.update(Content.assemble(*parts))

    def on_resize(self) -> None:
        self.fill(*self._data)


def pieces(view: View, chosen: wire.RecipeView | wire.Foreign, width: int) -> Iterator[tuple[str, str]]:
    """The text in pieces of (text, style), wrapped to the width with the values in a column of their own."""
    if isinstance(chosen, wire.Foreign):
        blocks: tuple[Iterator[Pair], ...] = (_stranger(view, chosen),)
    else:
        blocks = _now(view, chosen), _always(chosen), _fields(chosen)
    for block in blocks:
        rows = list(block)
        label = max((len(name) for name, _, _ in rows), default=0) + 2
        for name, text, style in rows:
            yield (name.ljust(label), "$quiet")
            yield (hanging(text, label, max(12, width - label)) + "\n", style)
        yield ("\n" if rows else "", "")


def hanging(text: str, indent: int, width: int) -> str:
    """Every line of the text wrapped, all but the first indented."""
    lines = [piece for each in text.split("\n") for piece in (wrap(each, width) or [""])]
    return f"\n{' ' * indent}".join(lines)


def _now(view: View, recipe: wire.RecipeView) -> Iterator[Pair]:
    mark, life = status.mark(view.state(recipe)), view.life(recipe.id)
    yield "state", str(mark), TONES.get(mark.tone, "")
    if life is not None and life.failure is not None:
        yield from failure(life.failure)
    elif life is not None:
        yield from _life(view, life)
    for problem in recipe.problems:
        yield "problem", problem, "$text-error"


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
            yield "note", "the recipe was changed since this start", "$text-warning"


def failure(why: wire.Failure) -> Iterator[Pair]:
    """Cause, remedy, last lines."""
    yield "cause", "\n".join(part for part in (why.title, why.detail) if part), "$text-error"
    if why.hint:
        yield "remedy", why.hint, "$text-warning"
    if why.fix:
        yield "fix", f"{why.fix.title} (f makes it)", "$text-warning"
    if why.lines:
        yield "last lines", "\n".join(why.lines), ""


def _stranger(view: View, one: wire.Foreign) -> Iterator[Pair]:
    mark = status.mark("attached" if one.attached else "foreign")
    serves = f"served as {one.attached}, Enter detaches it" if one.attached else "Enter serves it through Studio"
    yield "state", f"{mark} \u00b7 {one.state} \u00b7 {serves}", TONES.get(mark.tone, "")
    yield "engine", one.engine, ""
    yield "model", one.model or unit.NOTHING, ""
    yield "names", ", ".join(one.served_names) or unit.NOTHING, ""
    sure = "" if one.proof == "tree" else " (more of it cannot be seen)"
    yield "address", f"{one.host or 'port'}:{one.port}{sure}" if one.port else "not known", ""
    yield "pid", f"{one.pid} of {one.owner or 'somebody'}", ""
    yield "GPU memory", unit.size(one.memory_bytes), ""
    yield "running", unit.age(view.age(one.age_s)), ""
    if one.note:
        yield "note", one.note, "$text-warning"


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
