"""A recipe as a form: a line for each field, its help and what is wrong with it below; nothing is stored before F2."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.timer import Timer
from textual.widgets import Input, Static, TextArea

from studio_core import wire
from studio_core.errors import StudioError
from studio_core.recipes import field as fields
from studio_core.recipes.field import Field, following, read, written
from studio_core.text import line
from studio_tui import status
from studio_tui.bridge import Bridge
from studio_tui.keymap import bindings
from studio_tui.message import RecipeChecked, RecipeStored
from studio_tui.screens.place import STYLES
from studio_tui.widgets.table import Cell, Column, Row, Table

COLUMNS = (Column("", 1), Column("FIELD", 23), Column("VALUE", 14, flex=1), Column("", 9, flex=1, needs=70))
BY_NAME = {one.name: one for one in fields.TABLE}
CYCLED = frozenset({fields.FLAG, fields.CHOICE})
# So long after a change it is checked.
QUIET_S = 0.3
DIRTY = "\u2022"


class RecipeForm(ModalScreen[None]):
    """`raw` is the recipe as it is stored, `version` the one that was read; None for one that is not stored yet.

    Only what a person changes leaves this form other than it came: texts are made safe where they are shown, not in `raw`.
    """

    CSS_PATH = STYLES / "recipe_form.tcss"
    BINDINGS = bindings("recipe")
    AUTO_FOCUS = "#fields"

    def __init__(self, bridge: Bridge, raw: Mapping[str, Any], version: int | None) -> None:
        super().__init__()
        self._bridge, self._version = bridge, version
        self._before = dict(raw) if version is not None else {}
        self._now = dict(raw)
        self._found: dict[str, list[wire.Finding]] = {}
        self._timer: Timer | None = None
        self._storing = False

    def compose(self) -> ComposeResult:
        self._table = Table(COLUMNS, ident="fields")
        self._line = Input(id="line", compact=True, select_on_focus=False)
        self._line.cursor_blink = False
        self._tree = TextArea(id="tree", compact=True, highlight_cursor_line=False)
        self._tree.cursor_blink = False
        self._help = Static("", id="help", markup=False)
        with Vertical(id="form") as self._frame:
            yield self._table
            yield self._line
            yield self._tree
            yield self._help

    def on_mount(self) -> None:
        self._line.display = self._tree.display = False
        self._fill()
        self._check()

    # What is shown.

    @property
    def field(self) -> Field:
        return BY_NAME[self._table.key or "id"]

    @property
    def is_dirty(self) -> bool:
        return any(self._is_changed(one) for one in fields.TABLE)

    def _value(self, one: Field) -> Any:
        return self._now.get(one.name, one.default)

    def _is_changed(self, one: Field) -> bool:
        return bool(self._value(one) != self._before.get(one.name, one.default))

    def _fill(self) -> None:
        self._table.fill([self._row(one) for one in fields.TABLE])
        name = line(str(self._now.get("name") or self._now.get("id") or "new"))
        self._frame.border_title = Content(f"{DIRTY + ' ' if self.is_dirty else ''}Recipe {name}")
        self._frame.border_subtitle = "Enter: change \u00b7 F2: store \u00b7 esc: leave"
        self._tell()

    def _row(self, one: Field) -> Row:
        value, wrong = self._value(one), self._found.get(one.name, [])
        severe = any(each.severe for each in wrong)
        tone = "" if value not in (one.default, None) else status.QUIET
        told = line(wrong[0].text) if wrong else ""
        return Row(one.name, (
            Cell(DIRTY if self._is_changed(one) else "", status.ACCENT), Cell(one.name, "" if one.common else status.QUIET),
            Cell(line(written(one, value)) or "\u2013", status.BAD if severe else tone),
            Cell(told, status.BAD if severe else status.BUSY),
        ))

    def _tell(self) -> None:
        """The help of the field, and what is wrong; what belongs to no field is told with every one."""
        one = self.field
        parts = [(f"{one.name}", "bold $primary"), (f"  {one.doc}", "$foreground"), (f"  ({_kind(one)})\n", "$quiet")]
        loose = [each for name, some in self._found.items() if name not in BY_NAME for each in some]
        for each in [*self._found.get(one.name, []), *loose]:
            where = "" if each.field == one.name else f"{each.field}: "
            hint = f" ({each.hint})" if each.hint else ""
            parts.append((f"{line(where + each.text + hint)}\n", "$text-error" if each.severe else "$text-warning"))
        count = sum(len(some) for some in self._found.values())
        parts.append((f"{count} remarks in all" if count else "nothing is wrong", "$quiet"))
        self._help.update(Content.assemble(*parts))

    def on_table_moved(self, event: Table.Moved) -> None:
        event.stop()
        self._tell()

    def on_table_chosen(self, event: Table.Chosen) -> None:
        event.stop()
        self.action_edit()

    # Changing a field.

    def action_edit(self) -> None:
        one = self.field
        if one.name == "id" and self._version is not None:
            self.notify("the id cannot be changed: c on the list makes a copy with another", markup=False)
        elif one.kind in CYCLED:
            self._set(following(one, self._value(one)))
        elif one.kind == fields.TREE:
            self._tree.text = tree_text(self._value(one))
            self._open(self._tree)
        else:
            self._line.value = line(written(one, self._value(one)))
            self._line.placeholder = one.doc
            self._open(self._line)

    def action_clear(self) -> None:
        if self.field.name == "id":
            self.notify("the id has no default", markup=False)
        else:
            self._set(self.field.default)

    def _open(self, editor: Input | TextArea) -> None:
        self._table.disabled = True
        editor.display = True
        self.set_focus(editor)
        if isinstance(editor, Input):
            editor.cursor_position = len(editor.value)

    def _close(self) -> None:
        self._table.disabled = False
        self._line.display = self._tree.display = False
        self.set_focus(self._table)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """What was only looked at stays as it came."""
        event.stop()
        one = self.field
        try:
            if event.value != line(written(one, self._value(one))):
                self._set(read(one, event.value))
        except StudioError as error:
            self.notify(error.line(), severity="error", markup=False)
            return
        self._close()

    def _take_tree(self) -> None:
        from studio_core.recipes.text import plain

        one = self.field
        try:
            if self._tree.text != tree_text(self._value(one)):
                found = plain(self._tree.text)
                self._set(one.default if found is None else found)
        except StudioError as error:
            self.notify(error.line(), severity="error", markup=False)
            return
        self._close()

    def _set(self, value: Any) -> None:
        self._now[self.field.name] = value
        self._fill()
        if self._timer is not None:
            self._timer.stop()
        self._timer = self.set_timer(QUIET_S, self._check)

    # Checking, storing, leaving.

    def _check(self) -> None:
        self._bridge.check_recipe(self, dict(self._now))

    def on_recipe_checked(self, news: RecipeChecked) -> None:
        """Of an older state nothing is shown: its successor is on the way."""
        news.stop()
        if news.data != self._now:
            return
        self._found = {}
        for each in news.problems:
            self._found.setdefault(SHORT.get(each.field, each.field), []).append(each)
        self._fill()

    def action_save(self) -> None:
        if self._tree.display:
            self._take_tree()
        if self._line.display or self._tree.display or self._storing:
            return
        self._storing = True
        self._bridge.store_recipe(self, dict(self._now), self._version)

    def on_recipe_stored(self, news: RecipeStored) -> None:
        news.stop()
        self._storing = False
        if news.done:
            self.dismiss()
        elif news.version is not None:
            self._conflict(news.version, news.lines)

    def _conflict(self, version: int, lines: tuple[str, ...]) -> None:
        from studio_tui.screens.confirm import Confirm

        def decided(yes: bool | None) -> None:
            if yes:
                self._version = version
                self.action_save()

        told = "\n".join(["Somebody changed it while this form was open. Yours against what is stored now:", "", *lines])
        self.app.push_screen(Confirm("Changed meanwhile", told, "Store mine"), decided)

    def action_close(self) -> None:
        if self._tree.display:
            self._take_tree()
        elif self._line.display:
            self._close()
        elif self.is_dirty:
            self._ask()
        else:
            self.dismiss()

    def _ask(self) -> None:
        from studio_tui.screens.unsaved import DISCARD, SAVE, Unsaved

        def decided(word: str | None) -> None:
            if word == SAVE:
                self.action_save()
            elif word == DISCARD:
                self.dismiss()

        self.app.push_screen(Unsaved(line(str(self._now.get("name") or self._now.get("id") or "new"))), decided)


# A check may name a field by its short name.
SHORT = {"tp": "tensor_parallel_size", "pp": "pipeline_parallel_size", "engine": "backend"}


def _kind(one: Field) -> str:
    return " or ".join(one.choices) if one.kind == fields.CHOICE else one.kind


def tree_text(value: Any) -> str:
    """A value as YAML. What a terminal could obey is escaped."""
    import yaml

    return yaml.safe_dump(value, sort_keys=False, allow_unicode=False) if value else ""
