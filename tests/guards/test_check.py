"""Types over source and tests, and the linter, as tests: what CI would say is said here first."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.guards import source

TOOLS = {"mypy": ["mypy"], "ruff": ["ruff", "check", "--no-cache", "--quiet"]}


@pytest.mark.parametrize("tool", TOOLS)
def test_it_has_nothing_to_say(tool: str) -> None:
    argv = [sys.executable, "-m", *TOOLS[tool]]
    done = subprocess.run(argv, cwd=source.ROOT, capture_output=True, text=True, timeout=170)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
