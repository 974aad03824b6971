"""The systemd user unit: what systemd makes of it, where it is written, and that names with odd characters arrive whole."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from studio_core import settings
from studio_core.cli.service import assignment, unit, word
from tests.command import Command

ODD = ['plain', 'with blank', 'per%cent', 'dollar$HOME', 'quo"te', "apo'strophe", "back\\slash", "ünï"]


def verify(path: Path, runtime: Path) -> None:
    """systemd's own opinion of a unit."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed: the unit was not checked")
    done = subprocess.run(
        ["systemd-analyze", "--user", "verify", str(path)], capture_output=True, text=True, timeout=60, check=False,
        env={**os.environ, "XDG_RUNTIME_DIR": str(runtime)},
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.parametrize("name", ODD)
def test_systemd_takes_the_unit(tmp_path: Path, name: str) -> None:
    path = tmp_path / "studio.service"
    found = settings.load({"data_dir": str(tmp_path / name), "port": "9999"}, {})
    text = unit(found, {"PATH": f"/usr/bin:{tmp_path}/{name}"})
    path.write_text(text, encoding="utf-8")
    assert "@" not in "".join(line for line in text.splitlines(True) if not line.startswith("#"))
    assert '--set "port=9999"' in text and "KillMode=process\n" in text and "OOMPolicy=continue\n" in text
    verify(path, tmp_path)


def test_words_are_quoted_as_systemd_reads_them() -> None:
    assert word('a "b" \\ $HOME 100%\n') == '"a \\"b\\" \\\\ $$HOME 100%%\\n"'
    assert word("/a$b", program=True) == '"/a$b"'
    assert assignment("PATH", "/a b:$c") == '"PATH=/a b:$c"'


def test_install_and_remove(state_dir: Path, tmp_path: Path) -> None:
    studio = Command(state_dir, home=tmp_path, XDG_RUNTIME_DIR=str(tmp_path / "none"), DBUS_SESSION_BUS_ADDRESS="")
    path = tmp_path / ".config" / "systemd" / "user" / "studio.service"
    said = studio.good("service", "install")
    assert f"written: {path}" in said and "systemctl --user start studio.service" in said and "a reboot" in said
    assert str(state_dir) in path.read_text(encoding="utf-8")
    verify(path, tmp_path)
    assert "what runs goes on" in studio.good("service", "remove")
    assert not path.exists() and [*tmp_path.rglob("*.service")] == []
    assert "not installed" in studio.good("service", "remove")


def test_a_folder_that_cannot_be_written(state_dir: Path, tmp_path: Path) -> None:
    (tmp_path / ".config").write_text("a file")
    assert "cannot write" in Command(state_dir, home=tmp_path).bad("service", "install")
