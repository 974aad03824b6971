"""Which key does what: the shipped `config/keymap.yaml`, and above it the user's `keymap.yaml` in the state directory."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from textual.binding import Binding, BindingType

from studio_core.errors import BadSetting
from studio_core.paths import shipped
from studio_tui import action

NAME = "keymap.yaml"
SIGNS = {
    "question_mark": "?", "colon": ":", "tilde": "~", "exclamation_mark": "!", "at": "@",
    "slash": "/", "left_square_bracket": "[", "right_square_bracket": "]", "up": "\u2191", "down": "\u2193",
    "left": "\u2190", "right": "\u2192", "escape": "esc", "pageup": "page up", "pagedown": "page down",
}


@cache
def standard() -> dict[str, str]:
    """The shipped keys by action id."""
    return read(shipped("config") / NAME)


def bindings(context: str) -> list[BindingType]:
    """The bindings of one context, for a class's BINDINGS. Their ids are the actions'."""
    keys = standard()
    return [
        Binding(keys[one.id], one.call, one.label, show=one.footer, id=one.id, tooltip=one.doc, priority=one.always)
        for one in action.of(context)
    ]


def own(folder: Path) -> dict[str, str]:
    """What the user changed; empty where there is no file.

    Raises:
        BadSetting: it cannot be read, or names an action that does not exist.
    """
    path = folder / NAME
    try:
        return read(path)
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise BadSetting(f"cannot read {path}", str(error), "the shipped keys hold") from error


def read(path: Path) -> dict[str, str]:
    """A keymap file. Raises BadSetting for what it may not hold, OSError where it cannot be read."""
    lines = path.read_text(encoding="utf-8").splitlines()
    rows = (_row(path, number, text) for number, text in enumerate(lines, 1))
    return dict(row for row in rows if row)


def _row(path: Path, number: int, text: str) -> tuple[str, str] | None:
    """`id: keys`, the part of YAML that this file needs: no YAML library before the first frame."""
    text = text.strip()
    if not text or text.startswith("#"):
        return None
    name, colon, keys = text.partition(":")
    keys = keys.partition(" #")[0].strip().strip("\"'")
    if not colon or not keys:
        raise BadSetting(f"line {number} of {path} is no `action: keys`", text[:80], "write for example: recipes.stop: s")
    if name not in {one.id for one in action.TABLE}:
        raise BadSetting(f"unknown action {name[:80]} in {path}", f"line {number}", "the ids stand in config/keymap.yaml")
    return name, keys


def spelled(keys: str) -> str:
    """Keys as people write them: `?, f1`."""
    return ", ".join(SIGNS.get(key.strip(), key.strip()) for key in keys.split(","))
