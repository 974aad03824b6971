"""Everything there is to say about one recipe, and why it failed where it did."""

from __future__ import annotations

from collections.abc import Iterator

from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from studio_core import wire
from studio_core.text import line
from studio_tui import status, unit
from studio_tui.view import Life, View

LABEL = 10
# Fields that have lines of their own.
SHOWN = frozenset({"id", "name", "backend", "model_path", "max_model_len", "created_at", "updated_at", "version"})
TONES = {status.GOOD: "$text-success", status.BUSY: "$text-warning", status.BAD: "$text-error", status.QUIET: "$text-muted"}


class RecipeDetails(VerticalScroll, can_focus=False):
    def compose(self) -> Iterator[Static]:
        self._text = Static("", markup=False)
        self._seen = Content("")
        yield self._text

    def fill(self, view: View, recipe: wire.RecipeView | None) -> None:
        parts = list(pieces(view, recipe)) if recipe else [("choose a recipe", "$text-muted")]
        content = Content.assemble(*parts)
        if content != self._seen or content.spans != self._seen.spans:
            self._seen = content
            self._text.update(content)


def pieces(view: View, recipe: wire.RecipeView) -> Iterator[tuple[str, str]]:
    """The text in pieces of (text, style)."""
    mark, life = status.mark(view.state(recipe)), view.life(recipe.id)
    yield from _pair("state", str(mark), TONES.get(mark.tone, ""))
    if life is not None:
        yield from _life(view, life)
    for problem in recipe.problems:
        yield from _pair("problem", problem, "$text-error")
    yield from _pair("engine", recipe.backend)
    yield from _pair("model", recipe.model_path)
    yield from _pair("last used", (recipe.last_used_at or "never")[:19].replace("T", " "))
    for name, value in recipe.recipe.items():
        if name not in SHOWN and value not in (None, "", [], {}, False):
            yield from _pair(name.replace("_", " "), line(str(value)))


def _life(view: View, life: Life) -> Iterator[tuple[str, str]]:
    one = life.instance
    if life.failure is not None:
        yield from failure(life.failure)
        return
    if life.coming:
        percent = "no progress yet" if life.progress.percent is None else unit.percent(life.progress.percent)
        yield from _pair("progress", " \u00b7 ".join(part for part in (percent, life.progress.message) if part))
    if one is not None:
        yield from _pair("address", f"{one.host}:{one.port} \u00b7 engine pid {one.engine_pid or unit.NOTHING}")
        yield from _pair("running", unit.age(view.age(one.age_s)))
        if one.recipe_changed:
            yield from _pair("note", "the recipe was changed since this start", "$text-warning")


def failure(why: wire.Failure) -> Iterator[tuple[str, str]]:
    """Cause, remedy, last lines."""
    yield from _pair("cause", " \u00b7 ".join(part for part in (why.title, why.detail) if part), "$text-error")
    if why.hint:
        yield from _pair("remedy", why.hint, "$text-warning")
    if why.lines:
        yield ("\nlast lines\n", "$text-muted")
        yield ("\n".join(f"  {text}" for text in why.lines) + "\n\n", "")


def _pair(label: str, text: str, style: str = "") -> Iterator[tuple[str, str]]:
    yield (label.ljust(LABEL) + " ", "$text-muted")
    yield (text + "\n", style)
