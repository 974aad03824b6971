"""Hostile text from a person's own clipboard, and of tools: nothing of it acts on a real terminal."""

from __future__ import annotations

import json
import re
import shlex
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.color import Color

from studio_core import wire
from studio_tui.glyph import Harmless, harmless
from studio_tui.intake import BEGIN, END, Intake
from tests.terminal import Window
from tests.tui import hostile, scene
from tests.tui.opened import stage_in
from tests.tui.stage import Stage
from tests.tui.test_boundary import FORBIDDEN
from tests.wait import wait_until

PIECE = 48
# What the app itself writes: pens, places, the cursor, a frame's beginning and end.
OURS = re.compile(rb"\x1b(\[[0-9;:]*[mHCJK]|\[\?(25|2026)[hl])")


@pytest.fixture
def window(stage: Stage) -> Iterator[Window]:
    with Window([sys.executable, "-m", "studio_tui", "--data-dir", str(stage.places.root)], columns=120, rows=40) as window:
        window.until("SmolLM2")
        yield window


def paste(window: Window, text: str) -> None:
    """As a terminal sends what is pasted."""
    window.send(f"\x1b[200~{text}\x1b[201~")


def harmless_so_far(window: Window) -> None:
    for bad in FORBIDDEN:
        at = window.output.find(bad)
        assert at < 0, bytes(window.output[max(0, at - 80):at + 80])


def acting(window: Window, before: int) -> None:
    """What was pasted is shown as text: its words come, none of its characters that act, and no sequence that is not Textual's."""
    output = bytes(window.output[before:])
    for bad in FORBIDDEN[2:]:
        assert bad not in output, output[max(0, output.find(bad) - 80):][:160]
    for found in re.finditer(b"\x1b", output):
        assert OURS.match(output, found.start()), output[found.start():][:40]


def _shows(window: Window, text: str) -> bool:
    return text in window.text


def pieces() -> list[list[str]]:
    return [list(hostile.ALL[at:at + PIECE]) for at in range(0, len(hostile.ALL), PIECE)]


def test_a_pasted_command_and_what_becomes_of_it(stage: Stage, window: Window) -> None:
    window.send("2i")
    window.until("Nothing is run.")
    for at, payloads in enumerate(pieces()):
        before = len(window.output)
        name = " ".join(one for one in payloads if "\x00" not in one)
        words = ["vllm", "serve", f"org/model{at}", "--served-model-name", name, f"--{name}"]
        paste(window, f"{shlex.join(words)} \\\n  end{at}")
        window.until(f"end{at}")
        wait_until(lambda: stage.asked[-1][1] == "/recipes/import", what="the text was read")
        wait_until(partial(_shows, window, f"org/model{at}"), what="what it becomes is shown")
        acting(window, before)
        window.send("\x1b")
        window.until("RECIPE ")
        window.send("i")
        window.until("Nothing is run.")
    paste(window, "rm " + " ".join(one for one in hostile.ALL[:60] if "\x00" not in one) + " over")
    window.until("over")
    window.send("\x1b")
    window.until("RECIPE ")
    window.send("q")
    assert window.ended() == 0


# Where a person can write: the keys that lead there, a text that is there then, and the key that leaves: one escape, because
# another would still be held, for what may follow it, when the next key comes.
FIELDS = (("4", "to smollm2", "\x1b"), ("2/", "RECIPE ", "\x1b"), ("m", "Switch to", "\x1b"))


def test_what_is_pasted_where_one_writes(window: Window) -> None:
    for keys, shown, leave in FIELDS:
        window.send(keys)
        window.until(shown)
        for at, payloads in enumerate(pieces()[::3]):
            before = len(window.output)
            paste(window, f"{' '.join(payloads)} end{at}")
            paste(window, f"seen{at}")
            window.until(f"seen{at}")
            acting(window, before)
        window.send("\x15" + leave)
        wait_until(lambda: "Quit" in window.text, what="letters are keys again")


def test_what_tools_are_called_and_what_they_say(state_dir: Path) -> None:
    stage = stage_in(state_dir)
    scene.busy(stage)
    whole = "[bold red]all " + "".join(hostile.ALL)
    tool = {"name": whole, "description": whole, "inputSchema": {"title": whole}, "error": whole}
    stage.mcp = [{"id": whole, "name": whole, "command": whole, "tools": [tool], "error": whole, "result": whole}]
    stage.flights = wire.Flights(total=900, requests=[
        wire.Flight(id=text, age_s=1.0, state=text, model=text, path=text, key=text) for text in hostile.wrapped()
    ])
    messages = []
    for at, text in enumerate(hostile.wrapped()):
        call = {"id": text, "type": "function", "function": {"name": text, "arguments": json.dumps({text: text})}}
        messages += [
            scene.message("c1", "assistant", text, id=f"a{at}", tool_calls=[call], model=text, reasoning=text),
            scene.message("c1", "tool", text, id=f"t{at}", model=None), scene.message("c1", text, text, id=f"r{at}", model=None),
        ]
    stage.chats = {"c1": wire.Chat(session=wire.ChatSession(id="c1", title=whole), messages=messages)}
    stage.start()
    try:
        with Window([sys.executable, "-m", "studio_tui", "--data-dir", str(stage.places.root)], columns=120, rows=60) as window:
            window.until("SmolLM2")
            window.send("7")
            window.until("No servers of tools")
            window.send("5")
            window.until("UNDER WAY")
            window.send("\x0f")
            window.until("[a]")
            window.send("ad")
            window.until("Its client gets an error")
            window.send("n4")
            window.until("to smollm2")
            window.send("\x1b")
            window.until("q Quit")
            window.send("[")
            window.until("before [/bold] after")
            window.send("r")
            window.until("thought, ")
            for _ in range(12):
                window.send("\x1b[5~")
            window.send("g")
            window.until("before  after")
            harmless_so_far(window)
            window.send("q")
            assert window.ended() == 0
        # What an empty room does not ask for cannot reach it: who fills it walks through this test.
        assert stage.wanted("GET", "/mcp") == []
    finally:
        stage.stop()


def test_bytes_that_are_no_text_end_nothing_and_a_paste_presses_no_key(window: Window, stage: Stage) -> None:
    window.send(b"2\xff\xfe")
    window.until("RECIPE ")
    before = len(stage.asked)
    paste(window, "d\x1bs\x1b[Aq\x11\x03\x1b[200~y\x1b[99;5~")
    window.send("i")
    window.until("Nothing is run.")
    assert [one for one in stage.asked[before:] if one[0] != "GET"] == []
    paste(window, "\x1b[31mred\x1b[0m \x1b]0;title\x07one\x1b")
    window.until("red one")
    window.send("\x1b")
    window.until("q Quit")


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_a_paste_is_clean_however_it_is_cut(size: int) -> None:
    text, parser = f"a{BEGIN}x\x1b[31my\r\x1bz\u200d\tw\x9b{END}b{BEGIN}{END}\x1b[A{BEGIN}end{END}", Intake()
    heard = [event for at in range(0, len(text), size) for event in parser.feed(text[at:at + size])]
    told = [one.text if isinstance(one, events.Paste) else one.key for one in heard if isinstance(one, (events.Key, events.Paste))]
    assert told == ["a", "xy\rz\u200d\tw", "b", "", "up", "end"]


@pytest.mark.parametrize("payload", [*hostile.ALL, *hostile.SHAPES], ids=ascii)
def test_what_is_painted_acts_on_nothing_and_keeps_its_width(payload: str) -> None:
    text = f"before {payload} after".replace("\n", " ")
    shown = harmless(text)
    assert cell_len(shown) == cell_len(text) and not any(bad in shown for bad in map(bytes.decode, FORBIDDEN) if not bad.isalnum())
    assert harmless(shown) == shown and "\x1b" not in shown
    [painted] = Harmless().apply([Segment(text, Style(bold=True))], Color(0, 0, 0))
    assert (painted.text, painted.style) == (shown, Style(bold=True))


def test_a_plain_line_is_not_touched() -> None:
    line = [Segment("plain \u2500 \U0001f600 \u4e2d"), Segment("\x1b[0m", None, [(0,)])]  # type: ignore[list-item]
    assert Harmless().apply(line[:1], Color(0, 0, 0)) == line[:1]
    assert Harmless().apply(line, Color(0, 0, 0))[1] is line[1]
