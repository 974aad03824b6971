"""The gateway's parsers under a coverage-guided fuzzer, where atheris is installed: pip install atheris, then -m slow."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec

import pytest

from tests.guards import source


@pytest.mark.slow
@pytest.mark.skipif(find_spec("atheris") is None, reason="atheris is not installed")
@pytest.mark.parametrize("target", ["inbox", "upstream", "observation", "body"])
def test_a_parser_takes_whatever_comes(target: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.core.fuzz", target, "100000"], cwd=source.ROOT, capture_output=True, text=True, timeout=170
    )
    assert done.returncode == 0, done.stderr[-4000:]
