"""The app and its terminal: it goes with it at once, leaves it as it was, and stays quiet while nothing happens."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from tests.terminal import Window
from tests.tui import scene
from tests.tui.stage import Stage

GONE_S = 1.0


def app(stage: Stage, *before: str, columns: int = 80, rows: int = 24) -> Window:
    argv = [*before, sys.executable, "-m", "studio_tui", "--data-dir", str(stage.places.root)]
    return Window(argv, columns=columns, rows=rows)


@pytest.mark.alone
@pytest.mark.parametrize("place", ["1", "3", "4"])
def test_a_lost_terminal_ends_it_within_a_second(stage: Stage, place: str) -> None:
    with app(stage) as window:
        taken_over(window)
        window.send(place)
        window.until({"1": "REQUESTS", "3": "following", "4": "to smollm2"}[place])
        window.hang_up()
        window.ended(GONE_S)


@pytest.mark.alone
def test_a_lost_terminal_ends_it_also_where_hang_ups_are_ignored(stage: Stage) -> None:
    with app(stage, "sh", "-c", 'trap "" HUP; exec "$@"', "sh") as window:
        taken_over(window)
        window.hang_up()
        window.ended(GONE_S)


@pytest.mark.alone
def test_a_term_signal_leaves_and_gives_the_terminal_back(stage: Stage) -> None:
    with app(stage) as window:
        taken_over(window)
        window.process.send_signal(signal.SIGTERM)
        assert window.ended(GONE_S) == 0
        assert b"\x1b[?1049l" in window.output
        assert "engines go on: SmolLM2 135M (ready)" in window.until("engines go on")


def test_a_term_signal_in_the_first_frame_gives_the_terminal_back_too(stage: Stage) -> None:
    with app(stage) as window:
        window.until("4.1/24.0 GiB")
        window.process.send_signal(signal.SIGTERM)
        assert window.ended(10 * GONE_S) == 0
        assert b"\x1b[?1049l" in window.output


def taken_over(window: Window) -> None:
    """The first frame is painted before the app is there: who answers a key is the app."""
    window.until("4.1/24.0 GiB")
    window.send("2")
    window.until("\u2500 Recipes \u2500")


def test_without_news_it_writes_nothing(stage: Stage) -> None:
    stage.status.instances = []
    with app(stage) as window:
        window.until("nothing runs")
        window.send("2")
        window.until("\u2500 Recipes \u2500")
        window.send("1")
        # Whatever came before the second figure has been painted in full.
        for figure in (66.0, 77.0):
            stage.sample(scene.host(figure))
            window.until(f"{figure:.0f} %")
        before = window.received
        # The ticks between these events find nothing changed.
        for _ in range(3):
            stage.sample(scene.host(77.0))
            stage.publish("status")
        stage.sample(scene.host(88.0))
        window.until("88 %")
        assert window.received - before < 400


def test_no_color_writes_no_colour_and_still_tells_states_apart(stage: Stage) -> None:
    with app(stage, "env", "NO_COLOR=1", columns=120) as window:
        text = window.until("38 %")
        assert "\u25b8 SmolLM2 135M" in text
        assert "\u25cf ready" in text and "\u2716 failed" in text
        for group in bytes(window.output).split(b"\x1b[38;2;")[1:]:
            red, green, blue = group.partition(b"m")[0].split(b";")[:3]
            assert red == green == blue, "greys only"


def test_it_needs_a_terminal(stage: Stage) -> None:
    argv = [sys.executable, "-m", "studio_tui", "--data-dir", str(stage.places.root)]
    done = subprocess.run(argv, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    assert done.returncode == 1
    assert done.stderr == "error: the app needs a terminal (in scripts use verbs: studio status --json)\n"


def test_a_broken_keymap_is_told_on_a_terminal_as_it_was(stage: Stage) -> None:
    (stage.places.root / "keymap.yaml").write_text("recipes.fly: x\n")
    with app(stage) as window:
        assert window.ended() == 1
        assert "unknown action recipes.fly" in window.text
        assert window.output.rfind(b"\x1b[?1049l") >= window.output.rfind(b"\x1b[?1049h")
