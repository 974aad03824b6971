"""Hostile text in every field of the API: nothing of it acts on a real terminal, and markup stays text."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import yaml

from studio_core import wire
from studio_core.text import clean
from tests.terminal import Window
from tests.tui import hostile, scene
from tests.tui.opened import stage_in
from tests.tui.stage import Stage
from tests.wait import wait_until

FORBIDDEN = (hostile.MARK.encode(), b"666", *(
    character.encode() for character in hostile.CHARACTERS if character > "\x7f"
))


def hostile_stage(folder: Path) -> Stage:
    """Every payload as a name, a log line and a message; all of them together in the texts that are shown once."""
    stage = stage_in(folder)
    scene.busy(stage)
    lines, whole = hostile.wrapped(), "[bold red]all " + "".join(hostile.ALL)
    stage.recipes = [scene.recipe(f"r{at}", text, model_path=text, backend=text) for at, text in enumerate(lines)]
    stage.recipes[0] = scene.recipe("r0", "[bold red]first" + whole, problems=[whole], recipe={"note": whole, whole: 1})
    failure = wire.Failure(title=whole, detail=whole, hint=whole, lines=lines)
    progress = wire.Progress(stage=whole, message=whole, percent=10.0)
    stage.status.instances = [
        scene.instance("r0", whole, "failed", failure=failure, engine=whole),
        scene.instance("r1", whole, "loading", progress=progress),
        scene.instance("r2", whole, "ready", served_names=[whole]),
    ]
    stage.status.notices, stage.status.state_dir = [whole], whole
    stage.gpus.reason = whole
    stage.files = [wire.LogFile(id="log", name=whole, size=1)]
    stage.logs = {"log": lines}
    messages = [scene.message("c1", role, text) for text in lines for role in ("user", "assistant")]
    stage.chats = {"c1": wire.Chat(session=wire.ChatSession(id="c1", title=whole), messages=messages)}
    stage.turn = [("delta", {"content": piece}) for piece in whole] + [("error", {"title": whole, "detail": whole, "hint": whole})]
    stage.usage["by_model"] = [{"model": whole}]
    stage.config = {"settings": [{"name": whole, "value": whole, "origin": whole, "doc": whole}]}
    stage.refusal = 409, {"title": whole, "detail": whole, "hint": whole, "code": whole}
    return stage


@pytest.fixture
def stage(state_dir: Path) -> Iterator[Stage]:
    stage = hostile_stage(state_dir)
    stage.start()
    yield stage
    stage.stop()


@pytest.fixture
def window(stage: Stage) -> Iterator[Window]:
    argv = [sys.executable, "-m", "studio_tui", "--data-dir", str(stage.places.root)]
    with Window(argv, columns=120, rows=40) as window:
        yield window


def test_nothing_acts_and_markup_stays_text(stage: Stage, window: Window) -> None:
    window.until("no GPU: [bold red]all")
    window.send("2")
    window.until("[bold red]first")
    window.until("cause")
    window.send("\r")
    window.until("[bold red]all")
    window.send("GGG")
    window.send("gs")
    window.until("Stop the model [bold red]first")
    window.send("n3")
    window.until("before [/bold] after")
    window.send("g")
    window.until("before  after")
    window.send("G")
    window.until("before [/bold] after")
    window.send("4")
    window.until("to [bold red]all")
    window.send("\x1b")
    window.until("q Quit")
    window.send("[")
    window.until("before [/bold] after")
    window.send("i")
    wait_until(lambda: "q Quit" not in window.text, what="the input has the focus")
    window.send("hello\r")
    window.until("  hello")
    wait_until(lambda: stage.asked[-1][1] == "/chats", what="the answer is over, the list is read again")
    window.send("\x1b")
    window.until("q Quit")
    window.send("5")
    window.until("By model")
    window.send("9")
    window.until("Settings")
    window.until("Notices")
    window.send("?")
    window.until("Everywhere")
    window.send("q")
    for bad in FORBIDDEN:
        at = window.output.find(bad)
        assert at < 0, bytes(window.output[max(0, at - 80):at + 80])
    window.send("q")
    assert window.ended() == 0


def packs() -> list[str]:
    """All payloads, some to a row: those that swallow what follows them are the last ones of theirs."""
    last = [one for one in hostile.ALL if not clean(f"{one} end").endswith("end")]
    first = [one for one in hostile.ALL if one not in last]
    return [f"row{at} {' '.join(first[at::len(last)])} {one}" for at, one in enumerate(last)]


def house_stage(folder: Path) -> Stage:
    """The payloads in whatever the newer rooms and dialogs show."""
    stage = stage_in(folder)
    scene.busy(stage)
    rows, whole = packs(), "[bold red]all " + "".join(hostile.ALL)
    fields = {"id": "r0", "name": whole, "model_path": whole, "backend": "vllm", "extra_args": dict.fromkeys(rows, whole),
              "env_vars": dict.fromkeys(rows, whole), "aliases": rows, "tool_call_parser": whole}
    stage.recipes = [scene.recipe("r0", "first", recipe=fields, last_used_age_s=1.0)]
    stage.recipes += [scene.recipe(f"r{at}", text, backend=text, model_path=text) for at, text in enumerate(rows, 1)]
    finding = wire.Finding(field=whole, text=whole, hint=whole)
    stage.checks = {"": wire.Check(problems=[finding]), "r0": wire.Check(
        problems=[finding], argv=["engine", *rows], files=rows, nodes=[wire.NodeLine(host=whole, line=whole)],
        environment=[wire.Variable(name=text, value=text, origin="recipe") for text in rows],
    )}
    away = [wire.Leaving(instance_id=text, recipe_id=text, name=text, state="ready", why=text) for text in rows]
    stage.plans = {"r0": wire.LaunchPlan(recipe_id="r0", outcome="starts", leaving=away)}
    stage.status.instances = [scene.instance("r1", whole, "ready", actions=["sleep 1", whole])]
    stage.status.foreign = [wire.Foreign(
        pid=7, ticks=1, name=whole, engine=whole, model=whole, owner=whole, port=9, state="ready", served_names=rows,
    )]
    stage.models = wire.ModelFiles(models=[
        wire.ModelFile(name=text, path=text, architecture=text, quantization=text, recipe_ids=[text]) for text in rows
    ])
    stage.peaks = {"metrics": [{"model_id": text, "generation_tps": 1.0} for text in rows]}
    stage.settings_shown = [
        wire.SettingView(
            name=f"a{at}{text}", value=text, origin=text, variable=text, doc=text, kind=text, stored=text, pending=True,
        ) for at, text in enumerate(rows)
    ]
    stage.keys_shown = [wire.KeyView(id=f"k{at}", name=text, scopes=[text], created_at=text) for at, text in enumerate(rows)]
    stage.findings = [wire.DoctorFinding(text, "fail", text, text, text) for text in rows]
    stage.gpus = wire.Gpus(host=scene.host(), count=1, gpus=[scene.gpu(0, 1.0, 5.0)])
    stage.gpus.gpus[0].name = whole
    stage.gpus.gpus[0].processes = [wire.GpuProcess(pid=at, memory_bytes=1, name=text, owner=text) for at, text in enumerate(rows)]
    stage.refusal = 409, {"title": whole, "detail": whole, "hint": whole, "code": whole}
    return stage


# Keys, and what is on the screen when they have led there; after a minus what is there no more.
WALK = (
    ("2", "\u25b8 first"), ("e", "FIELD"), ("\x1b[6~", "Recipe [bold red]all"), ("\x1b", "-FIELD"), ("x", "What a launch of"),
    ("G", "esc: close"), ("\x1b", "-esc: close"), ("\r", "leaves: row"), ("n", "-leaves: row"), ("m", "Switch to"),
    ("\x1b", "-Switch to"), ("j", "\u25b8 row0"), ("a", "Enter: do it"), ("\x1b", "-Enter: do it"), ("s", "Stop the model row0"),
    ("y", "-Stop the model"), ("G", "Enter serves it"), ("\r", "Attach [bold red]all"), ("\x1b", "-Attach [bold"),
    ("6", "Models on this machine"), ("8", "Best figures"), ("9", "Services"), ("]", "set by row"), ("\r", "new value"),
    ("\x1b", "-new value"), ("]", "k0"), ("d", "Revoke the key row"), ("n", "-Revoke the key"), ("]", "do: row"), ("!", "Notices"),
    ("q", "-Notices"), ("@", "this machine"), ("\x1b", "-this machine"), ("?", "Everywhere"), ("q", "-Everywhere"),
)


def test_nothing_acts_in_rooms_and_dialogs_of_the_house(state_dir: Path) -> None:
    stage = house_stage(state_dir)
    servers = [{"name": text, "url": f"http://127.0.0.1:{at}"} for at, text in enumerate(packs(), 1)]
    (state_dir / "studio.yaml").write_text(yaml.safe_dump({"servers": servers}, allow_unicode=False))
    stage.start()
    try:
        argv = [sys.executable, "-m", "studio_tui", "--data-dir", str(stage.places.root)]
        with Window(argv, columns=160, rows=60) as window:
            window.until("row0", 40.0)
            for keys, text in WALK:
                window.send(keys)
                if text.startswith("-"):
                    wait_until(partial(_gone, window, text[1:]), what=f"{text[1:]} is gone")
                else:
                    window.until(text)
            _harmless(window)
            window.send("q")
            assert window.ended() == 0
        with Window([sys.executable, "-m", "studio_core", "--state", str(stage.places.root), "pane"], columns=160, rows=8) as pane:
            pane.until("[bold red]all")
            _harmless(pane)
            pane.send("q")
            pane.ended()
    finally:
        stage.stop()


def _gone(window: Window, text: str) -> bool:
    return text not in window.text


def _harmless(window: Window) -> None:
    for bad in FORBIDDEN:
        at = window.output.find(bad)
        assert at < 0, bytes(window.output[max(0, at - 80):at + 80])


@pytest.mark.parametrize("words", [
    ("status",), ("ps",), ("recipes",), ("recipes", "show", "r1"), ("logs",), ("logs", "log"), ("gpus",), ("status", "--json"),
], ids=" ".join)
def test_the_command_line_is_no_way_around(stage: Stage, words: tuple[str, ...]) -> None:
    argv = [sys.executable, "-m", "studio_core", "--state", str(stage.places.root), *words]
    with Window(argv, columns=200, rows=50) as window:
        assert window.ended(30) in (0, 1)
        wait_until(lambda: window.received, what="it has said something")
        # In JSON what acts is written as an escape of its own.
        for bad in () if "--json" in words else FORBIDDEN:
            assert bad not in window.output, bytes(window.output[:2000])
        assert not re.search(rb"\x1b(?!\[[0-9;]*m)", window.output)


def test_odd_shapes_move_nothing_beside_them(state_dir: Path) -> None:
    stage = stage_in(state_dir)
    scene.busy(stage)
    stage.logs["smollm2-1"] = [*hostile.SHAPES, "x" * 100_000, "the last line"]
    messages = [scene.message("c1", role, text) for text in hostile.SHAPES for role in ("user", "assistant")]
    stage.chats = {"c1": wire.Chat(session=wire.ChatSession(id="c1", title="e" + "\u0301" * 200), messages=messages)}
    stage.start()
    try:
        argv = [sys.executable, "-m", "studio_tui", "--data-dir", str(stage.places.root)]
        with Window(argv, columns=120, rows=40) as window:
            window.until("loading")
            window.send("3")
            window.until("the last line")
            _framed(window)
            window.send("4")
            window.until("to smollm2")
            window.send("\x1b")
            window.until("q Quit")
            window.send("[")
            window.until("messages")
            _framed(window)
    finally:
        stage.stop()


def _framed(window: Window) -> None:
    """Every row between the bars ends with the frame: nothing in it was wider or narrower than it was drawn."""
    window.until("\u256f")
    rows = [row for row in window.display[1:-1] if row.strip()]
    assert {row[-1] for row in rows} <= set("\u2502\u256e\u256f"), "\n".join(rows)
