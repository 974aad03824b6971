"""The probe that asks an SGLang for its flags, run as Studio runs it, with a small stand-in package for the engine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from studio_core.engines.probe import sglang_parser

# As SGLang's own `add_cli_args`; it says something on stdout, as engines do when they are imported.
STAND_IN = """
import argparse
print("a warning that the engine prints")

class Retired(argparse.Action):
    def __init__(self, option_strings, dest, new_flag=None, **more):
        self.new_flag = new_flag
        super().__init__(option_strings, dest, nargs=0, **more)

class DeprecatedStoreTrueAction(Retired):
    pass

class ServerArgs:
    @staticmethod
    def add_cli_args(parser):
        parser.add_argument("--model-path", "--model", required=True)
        parser.add_argument("--tp-size", type=int, default=1)
        parser.add_argument("--tool-call-parser", choices=["auto", "qwen25", "glm45"])
        parser.add_argument("--reasoning-parser", choices=["auto", "qwen3"])
        parser.add_argument("--old", action=DeprecatedStoreTrueAction, new_flag="--tp-size")
"""


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A folder to import from, with what pip would leave of SGLang 9.9."""
    package = tmp_path / "sglang" / "srt"
    package.mkdir(parents=True)
    (package / "server_args.py").write_text(STAND_IN, encoding="utf-8")
    info = tmp_path / "sglang-9.9.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: sglang\nVersion: 9.9\n", encoding="utf-8")
    return tmp_path


def asked(folder: Path) -> Any:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(folder)}
    argv = [sys.executable, sglang_parser.__file__]
    return json.loads(subprocess.run(argv, capture_output=True, text=True, check=True, env=environment, timeout=60).stdout)


def test_the_answer_has_the_form_of_every_probe(installed: Path) -> None:
    told = asked(installed)
    assert (told["engine"], told["version"]) == ("sglang", "9.9")
    assert (told["tool_parsers"], told["reasoning_parsers"]) == (["glm45", "qwen25"], ["qwen3"])
    flags = {row["flag"]: row for row in told["flags"]}
    assert flags["--model-path"] == {
        "flag": "--model-path", "aliases": ["--model"], "type": "str", "default": None, "group": flags["--tp-size"]["group"],
    }
    assert flags["--tp-size"]["type"] == "int" and flags["--tp-size"]["default"] == 1
    assert flags["--tool-call-parser"]["choices"] == ["auto", "qwen25", "glm45"]
    assert (flags["--old"]["deprecated"], flags["--old"]["replacement"]) == (True, "--tp-size")


def test_an_engine_that_is_not_there_is_said_on_stderr(tmp_path: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError) as caught:
        asked(tmp_path)
    assert "No module named 'sglang'" in caught.value.stderr
    assert caught.value.stdout == ""
