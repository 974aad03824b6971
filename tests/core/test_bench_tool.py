"""The C stub and load client: they compile without a warning, and what one streams the other checks."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from studio_core.bench import tool
from studio_core.errors import Unavailable
from studio_core.supervisor import port
from tests.wait import wait_until


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(tool, "COMPILE", (*tool.COMPILE, "-Werror"))


def test_the_client_checks_every_stream_of_the_stub(free_port: int) -> None:
    stub, client = tool.build("sse_stub"), tool.build("sse_load")
    with subprocess.Popen([stub, "-p", str(free_port)], stdout=subprocess.DEVNULL) as running:
        try:
            wait_until(lambda: port.holder(free_port), what="the stub listens")
            argv = [str(client), "stream", "-p", str(free_port), "-c", "4", "-t", "16", "-n", "12", "-r", "0"]
            done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=30)
        finally:
            running.kill()
    found = json.loads(done.stdout)
    assert (found["finished"], found["errors"], found["chunks"]) == (16, 0, 16 * 12)


def test_a_program_is_compiled_once() -> None:
    first = tool.build("sse_stub").stat()
    assert tool.build("sse_stub").stat().st_ino == first.st_ino


def test_a_missing_compiler_is_said_with_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tool, "COMPILE", ("/nowhere/cc",))
    with pytest.raises(Unavailable) as caught:
        tool.build("sse_stub")
    assert "install" in caught.value.hint
