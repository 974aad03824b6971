"""How it looks where little can be shown: ASCII, no colours, 16 colours; and colours only from the themes."""

from __future__ import annotations

import ast
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from textual.color import Color
from textual.theme import Theme

from studio_core.errors import Conflict
from studio_tui import glyph, status, theme
from tests.guards import source
from tests.terminal import Window
from tests.tui import scene
from tests.tui.opened import opened, stage_in
from tests.tui.stage import Stage

# The chat last: its field takes digits.
ROOMS = ("1", "2", "3", "5", "9", "4")
SIZES = [(60, 20), (120, 40)]
COLOUR = re.compile(r"#[0-9a-fA-F]{3,8}\b|\b(?:rgba?|hsla?)\(|\bansi_\w+")
NAMES = re.compile(r"(?:color|background|border|tint)[\w-]*:[^;$]*\b(red|green|blue|white|black|gr[ae]y|yellow|cyan|magenta)\b")


def filled(folder: Path, **given: object) -> Stage:
    stage = stage_in(folder)
    scene.large(stage)
    stage.given = given
    return stage


def drawn(path: Path) -> Iterator[str]:
    """The strings of a module that are not its documentation."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    docs = {
        id(node.body[0].value) for node in ast.walk(tree)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
        and node.body and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            yield node.value


def test_every_sign_of_the_app_has_an_ascii_one() -> None:
    missing = {
        f"{source.name(path)}: {sign!r}"
        for path in source.python("studio_tui") if path.name != "glyph.py"
        for text in drawn(path) for sign in text if not sign.isascii() and sign not in glyph.TABLE
    }
    assert missing == set(), "put it into studio_tui/glyph.py"


def test_an_ascii_sign_is_one_ascii_cell_and_states_stay_apart() -> None:
    assert all(len(plain) == 1 and plain.isascii() for plain in glyph.TABLE.values())
    signs = {mark.sign for mark in status.MARKS.values()}
    assert len({glyph.plain(sign) for sign in signs}) == len(signs)
    assert glyph.plain("\u6a21a\u0301\u2588") == "??a#"


@pytest.mark.parametrize(("setting", "environ", "wanted"), [
    ("auto", {"LANG": "C.UTF-8", "TERM": "xterm-256color"}, False), ("auto", {"LANG": "de_DE.utf8"}, False),
    ("auto", {"LANG": "C"}, True), ("auto", {"LC_ALL": "POSIX", "LANG": "C.UTF-8"}, True), ("auto", {"TERM": "linux"}, True),
    ("auto", {}, False), ("ascii", {"LANG": "C.UTF-8"}, True), ("unicode", {"LANG": "C"}, False),
])
def test_locale_terminal_and_setting_choose(setting: str, environ: dict[str, str], wanted: bool) -> None:
    assert glyph.is_ascii(setting, environ) is wanted


@pytest.mark.parametrize("size", SIZES, ids=str)
async def test_in_ascii_mode_nothing_else_is_painted(tmp_path: Path, size: tuple[int, int]) -> None:
    async with opened(filled(tmp_path, glyphs="ascii"), size) as shown:
        for room in ROOMS:
            await shown.press(room)
            strips = shown.app.screen._compositor.render_strips()
            assert all(segment.text.isascii() for strip in strips for segment in strip), shown.text
        await shown.press("escape", "2")
        await shown.shows("* ready", "X failed")


async def test_without_colours_there_are_none_and_all_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with opened(filled(tmp_path), (100, 30)) as shown:
        for room in ROOMS:
            await shown.press(room)
            styles = [segment.style for strip in shown.app.screen._compositor.render_strips() for segment in strip if segment.style]
            assert not [style for style in styles if style.color and not style.color.is_default]
            assert not [style for style in styles if style.bgcolor and not style.bgcolor.is_default]
        await shown.press("escape", "2", "down")
        await shown.shows("\u25b8 Qwen3 8B", "\u2716 failed")
        bar = shown.app.screen._compositor.render_strips()[0]
        assert [segment.text.strip() for segment in bar if segment.style and segment.style.reverse] == ["2 Recipes"]


async def test_a_toast_says_without_colours_that_something_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with opened(filled(tmp_path, glyphs="ascii"), (60, 20)) as shown:
        shown.app.complain(Conflict("it left", "a moment ago", "look again"))
        shown.app.say("launch asked for")
        await shown.shows("launch asked for")
        told = [(one.title, one.message) for one in shown.app._notifications]
        assert told == [("\u2716 it left", "a moment ago\nlook again"), ("", "launch asked for")]


def test_a_terminal_with_16_colours_gets_no_others(tmp_path: Path) -> None:
    stage = filled(tmp_path)
    stage.start()
    argv = ["env", "TERM=xterm", "COLORTERM=", sys.executable, "-m", "studio_tui", "--data-dir", str(tmp_path)]
    try:
        with Window(argv, {**os.environ, "LANG": "C.UTF-8"}) as window:
            window.until("SmolLM2 135M", 30)
            window.send(b"2")
            window.until("CONTEXT", 15)
            codes = [code for codes in re.findall(rb"\x1b\[([0-9;]*)m", bytes(window.output)) for code in codes.split(b";")]
            assert not {b"38", b"48"} & set(codes) and {b"92", b"93"} & set(codes)
    finally:
        stage.stop()


@pytest.mark.parametrize("one", theme.ALL, ids=lambda one: one.name)
def test_text_stands_out_in_every_theme(one: Theme) -> None:
    least = {"studio-contrast": 7.0, "studio-16": 5.0}.get(one.name, 4.5)
    back = Color.parse(one.background or "")
    for name in ("foreground", "primary", "secondary", "success", "warning", "error", "accent"):
        assert contrast(Color.parse(getattr(one, name)), back) >= least, name
    assert contrast(Color.parse(one.variables["quiet"]), back) >= least


def contrast(one: Color, other: Color) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(one: Color) -> float:
    parts = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in one.normalized]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def test_colours_stand_in_the_themes_only() -> None:
    found = [
        f"{source.name(path)}: {text[:60]!r}"
        for path in source.python("studio_tui") if path.name != "theme.py"
        for text in drawn(path) if COLOUR.search(text)
    ]
    found += [
        f"{path.name}: {line.strip()}"
        for path in (source.ROOT / "styles").glob("*.tcss")
        for line in path.read_text(encoding="utf-8").splitlines()
        if (COLOUR.search(line) and not line.startswith(("#",)) and "{" not in line) or NAMES.search(line)
    ]
    assert found == []
