"""The app on a real terminal over a real Studio: launch, log, chat, a killed controller, tmux taken away, and back again."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.house import House
from tests.terminal import Window
from tests.wait import wait_until


def app(home: House, recipe: str = "") -> Window:
    argv = [sys.executable, "-m", "studio_tui", "--data-dir", str(home.root), *(["--recipe", recipe] if recipe else [])]
    return Window(argv, columns=100, rows=30)


def test_launch_log_chat_leave_and_back(home: House) -> None:
    with app(home, "one") as window:
        window.until("\u25cb stopped")
        window.send("\r")
        window.until("\u25cf ready")
        window.send("l")
        window.until("following")
        window.send("4")
        window.until("to one")
        window.send("hello\r")
        window.until("tokens/s")
        window.send("\x1b")
        window.until("q Quit")
        window.send("q")
        assert window.ended() == 0
    before = home.instance("one")
    [session] = home.client.chats()
    chat = home.client.chat(session.id)
    assert [(one.role, one.state) for one in chat.messages] == [("user", "complete"), ("assistant", "complete")]
    with app(home) as window:  # It comes back where one was.
        window.until("to one")
        window.send("\x1b")
        window.until("q Quit")
        window.send("1")
        window.until(str(before.port))
        window.send("4")
        window.until("to one")
        window.send("\x1b")
        window.until("q Quit")
        window.send("[")
        window.until((chat.messages[1].content or "").split()[0])


def test_a_killed_controller_is_told_and_comes_back(home: House) -> None:
    before = home.launch("one")
    with app(home) as window:
        window.until("\u25cf ready")
        # The first frame is painted before the app listens: the list of recipes comes from who listens.
        window.send("2")
        window.until("\u2500 Recipes \u2500")
        window.until("\u25cf ready")
        home.kill_controller()
        window.until("reconnecting")
        assert "\u25cf ready" in window.text
        wait_until(lambda: "reconnecting" not in window.text, what="it is back by itself")
        window.until(str(before.port))
    assert home.instance("one").engine_pid == before.engine_pid


@pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")
def test_a_killed_tmux_server_takes_only_the_app(home: House, tmp_path: Path) -> None:
    before = home.launch("one")
    tmux = ["tmux", "-f", "/dev/null", "-S", str(tmp_path / "t")]
    command = f"exec {sys.executable} -m studio_tui --data-dir {home.root}"
    subprocess.run([*tmux, "new-session", "-d", "-x", "100", "-y", "30", command], check=True)
    try:
        wait_until(lambda: "ready" in _pane(tmux), what="the app shows the model")
        pid = int(subprocess.run([*tmux, "list-panes", "-F", "#{pane_pid}"], check=True, capture_output=True, text=True).stdout)
        app = psutil.Process(pid)
    finally:
        subprocess.run([*tmux, "kill-server"], check=False)
    wait_until(lambda: not app.is_running() or app.status() == psutil.STATUS_ZOMBIE, what="the app is gone")
    assert home.instance("one").engine_pid == before.engine_pid


def _pane(tmux: list[str]) -> str:
    return subprocess.run([*tmux, "capture-pane", "-p"], check=True, capture_output=True, text=True).stdout
