"""From the first frame to the last in a real tmux, with the real controller and the real engine, by keys alone."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from studio_core.bench.terminal import FOREIGN
from tests.engines.model import model
from tests.house import House, house
from tests.wait import wait_until

__all__ = ["model"]
LOAD_S = 90.0


class Pane:
    """A pane of a tmux server of its own."""

    def __init__(self, folder: Path, command: str) -> None:
        conf = folder / "tmux.conf"
        conf.write_text("set -s escape-time 0\nset -g remain-on-exit on\n")
        self._tmux = ["tmux", "-f", str(conf), "-S", str(folder / "t")]
        self._run("new-session", "-d", "-x", "100", "-y", "30", command)

    def _run(self, *words: str) -> str:
        env = {name: value for name, value in os.environ.items() if name not in FOREIGN}
        done = subprocess.run([*self._tmux, *words], check=True, capture_output=True, text=True, timeout=30, env=env)
        return done.stdout

    @property
    def text(self) -> str:
        return self._run("capture-pane", "-p")

    def press(self, *keys: str) -> None:
        self._run("send-keys", *keys)

    def type(self, text: str) -> None:
        self._run("send-keys", "-l", text)

    def until(self, text: str, timeout: float = 60.0) -> str:
        try:
            return wait_until(lambda: shown if text in (shown := self.text) else "", timeout)
        except AssertionError:
            raise AssertionError(f"{text!r} is not in the pane after {timeout} s:\n{self.text}") from None

    def close(self) -> None:
        subprocess.run([*self._tmux, "kill-server"], check=False, capture_output=True, timeout=30)


@pytest.fixture
def home(state_dir: Path, model: Path) -> Iterator[House]:
    with house(state_dir) as found:
        for name in ("small", "second"):
            found.client.put_recipe({"id": name, "backend": "llamacpp", "model_path": str(model), "max_model_len": 512})
        yield found


@pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")
def test_launch_talk_switch_and_leave(home: House, tmp_path: Path) -> None:
    pane = Pane(tmp_path, f"{sys.executable} -m studio_tui --data-dir {home.root}")
    try:
        # Not "nothing runs": what others have running on this machine is in the table too.
        pane.until("REQUESTS")
        pane.press("2")
        pane.until("\u2500 Recipes \u2500")
        pane.until("\u25b8 second")
        pane.press("/")
        pane.until("words of name")
        pane.type("small")
        pane.press("Enter")
        pane.until("\u25b8 small")
        pane.press("Enter")
        pane.until("\u25cf ready", LOAD_S)
        pane.press("4")
        pane.until("to small")
        pane.type("Count from one to twenty.")
        pane.press("Enter")
        pane.until("tokens/s", LOAD_S)
        pane.press("Escape")
        pane.until("q Quit")
        pane.press("m")
        pane.until("a few letters")
        pane.type("sec")
        pane.until("\u25b8 second")
        pane.press("Enter")
        pane.until("Launch (y)")
        pane.press("y")
        pane.until("to second", LOAD_S)
        pane.press("q")
        assert "second (ready)" in pane.until("engines go on")
    finally:
        pane.close()
    [session] = home.client.chats()
    question, answer = home.client.chat(session.id).messages
    assert question.content == "Count from one to twenty." and answer.state == "complete" and answer.content
    [alive] = [one for one in home.status().instances if one.state == "ready"]
    assert alive.recipe_id == "second" and psutil.pid_exists(alive.engine_pid or 0)
