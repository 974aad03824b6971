"""Copying: which way a text takes, that the way leads to its end, and what the person is told."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from studio_tui import clipboard
from studio_tui.wanted import Copy
from tests.terminal import Window
from tests.tui import scene
from tests.tui.opened import opened, stage_in
from tests.wait import wait_until


def copied(text: str, environ: dict[str, str]) -> tuple[clipboard.Copied, str]:
    written: list[str] = []
    return clipboard.copy(text, written.append, environ), "".join(written)


def decoded(sequence: str) -> str:
    return base64.b64decode(sequence.partition("52;c;")[2].rstrip("\x07\x1b\\")).decode()


def test_outside_tmux_the_terminal_gets_it() -> None:
    done, written = copied("h\u00e9llo\n", {"TERM": "xterm-256color"})
    assert done.way == "osc52" and "OSC 52" in done.words
    assert written.startswith("\x1b]52;c;") and written.endswith("\x07") and decoded(written) == "h\u00e9llo\n"


@pytest.mark.parametrize("environ", [
    {"TERM": "linux"}, {"TERM": "xterm", "TERM_PROGRAM": "Apple_Terminal"}, {"TERM": "xterm", "STUDIO_CLIPBOARD": "file"},
])
def test_a_file_where_no_terminal_takes_it(tmp_path: Path, environ: dict[str, str]) -> None:
    done, written = copied("text", {**environ, "XDG_CACHE_HOME": str(tmp_path)})
    path = tmp_path / "vllm-studio" / "copied.txt"
    assert (done.way, written) == ("file", "") and str(path) in done.words
    assert path.read_text() == "text" and path.stat().st_mode & 0o777 == 0o600


def test_too_much_goes_into_a_file_and_the_last_that_fits_does_not(tmp_path: Path) -> None:
    environ = {"TERM": "xterm", "XDG_CACHE_HOME": str(tmp_path)}
    most = clipboard.LIMIT // 4 * 3
    assert copied("x" * most, environ)[0].way == "osc52"
    done, written = copied("x" * (most + 3), environ)
    assert (done.way, written) == ("file", "") and "73 KiB are too much" in done.words


def test_where_no_file_can_be_written_it_says_so(tmp_path: Path) -> None:
    (tmp_path / "vllm-studio").write_text("in the way")
    done, _ = copied("text", {"TERM": "linux", "XDG_CACHE_HOME": str(tmp_path)})
    assert done.way == "nowhere" and "cannot be written" in done.words


def test_through_screen_in_pieces() -> None:
    _, written = copied("y" * 3000, {"TERM": "screen", "STY": "1.pts"})
    pieces = written.split("\x1bP")[1:]
    assert len(pieces) > 5 and all(piece.endswith("\x1b\\") and len(piece) < 710 for piece in pieces)
    assert decoded("".join(piece.removesuffix("\x1b\\") for piece in pieces)) == "y" * 3000


def old_tmux(folder: Path, options: str) -> dict[str, str]:
    """A tmux before 3.2, which knows no `-w`."""
    program = folder / "tmux"
    program.write_text(f'#!/bin/sh\ncase "$*" in\n load-buffer*) exit 1;;\n{options}\nesac\nexit 1\n')
    program.chmod(0o755)
    return {"PATH": f"{folder}:{os.environ['PATH']}", "TMUX": "x,1,0", "TERM": "screen", "XDG_CACHE_HOME": str(folder)}


def test_an_old_tmux_takes_osc_52_where_it_is_told_to(tmp_path: Path) -> None:
    done, written = copied("text", old_tmux(tmp_path, " *set-clipboard) echo on; exit 0;;"))
    assert done.way == "osc52" and decoded(written) == "text"


def test_an_old_tmux_lets_it_pass_where_it_is_told_to(tmp_path: Path) -> None:
    done, written = copied("text", old_tmux(tmp_path, " *allow-passthrough) echo on; exit 0;;"))
    assert done.way == "osc52" and written.startswith("\x1bPtmux;\x1b\x1b]52;c;") and written.endswith("\x1b\\")


def test_an_old_tmux_that_does_neither_leaves_the_file(tmp_path: Path) -> None:
    done, written = copied("text", old_tmux(tmp_path, ""))
    assert (done.way, written) == ("file", "") and "studio doctor" in done.words


@pytest.fixture
def tmux(tmp_path: Path) -> Iterator[list[str]]:
    """The command line of a real tmux server of its own."""
    if shutil.which("tmux") is None:
        pytest.skip("tmux is not installed")
    (tmp_path / "tmux.conf").write_text("set -as terminal-features ',*:clipboard'\n")
    argv = ["tmux", "-f", str(tmp_path / "tmux.conf"), "-S", str(tmp_path / "socket")]
    yield argv
    subprocess.run([*argv, "kill-server"], check=False, capture_output=True, timeout=30)


def test_through_a_real_tmux_to_the_terminal_around_it(tmp_path: Path, tmux: list[str]) -> None:
    with Window([*tmux, "new-session", "sleep 60"], columns=60, rows=10) as window:
        wait_until(lambda: subprocess.run([*tmux, "list-clients"], capture_output=True, check=False).stdout)
        environ = {**os.environ, "TMUX": f"{tmp_path / 'socket'},1,0", "TERM": "tmux-256color"}
        done, written = copied("through it all", environ)
        assert (done.way, written) == ("tmux", "")
        wanted = base64.b64encode(b"through it all")
        wait_until(lambda: b"\x1b]52;" in window.output and wanted in window.output, what="the terminal around tmux got the text")
        kept = subprocess.run([*tmux, "show-buffer"], capture_output=True, check=True, timeout=30)
        assert kept.stdout == b"through it all"


async def test_the_app_says_where_it_went(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("STUDIO_CLIPBOARD", "file")
    stage = stage_in(tmp_path)
    scene.busy(stage)
    async with opened(stage) as shown:
        shown.app.post_message(Copy("a line", "the answer"))
        await shown.shows("the answer: written to")
        shown.app.copy_to_clipboard("selected with the mouse")
        await shown.shows("written to")
    assert (tmp_path / "cache" / "vllm-studio" / "copied.txt").read_text() == "selected with the mouse"
