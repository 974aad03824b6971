"""`python -m studio_core.engines.install ENGINE RECORD [--version V]`: an engine's own environment, whole or not at all.

It is built beside the one that is there and then put in its place: engines that run keep theirs until the next build.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from studio_core.engines import runtime

# What pip is asked for; TabbyAPI is in no package index, llama.cpp's server needs no environment.
REQUIREMENTS = {"vllm": "vllm", "sglang": "sglang"}
# What to do for the engines that pip does not bring.
INSTEAD = {
    "tabbyapi": "clone its repository, run its start.sh once, and name the folder in the setting tabby_api_dir",
    "llamacpp": "put llama.cpp's own llama-server on PATH; for the CPU: pip install 'studio-tui[demo]'",
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="studio_core.engines.install")
    parser.add_argument("engine", choices=REQUIREMENTS)
    parser.add_argument("record", type=Path)
    parser.add_argument("--version", default="")
    options = parser.parse_args()
    code = 1
    try:
        code = build(options.engine, options.version)
    finally:
        # Whoever asks later, also another controller, reads here how it ended.
        told = json.loads(options.record.read_text(encoding="utf-8")) if options.record.exists() else {}
        keep(options.record, {**told, "code": code})
    return code


def keep(record: Path, told: Mapping[str, Any]) -> None:
    """Whole or not at all: whoever reads meanwhile sees what was told before."""
    fresh = record.with_suffix(f".{os.getpid()}")
    fresh.write_text(json.dumps(told), encoding="utf-8")
    fresh.replace(record)


def build(engine: str, version: str) -> int:
    """The exit code of what failed, else 0."""
    place = runtime.managed(engine)
    place.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f"{engine}@", dir=place.parent))
    requirement = REQUIREMENTS[engine] + (f"=={version}" if version else "")
    steps = (
        [sys.executable, "-m", "venv", str(fresh)],
        [str(fresh / runtime.PYTHON), "-m", "pip", "install", "--progress-bar", "off", requirement],
    )
    for step in steps:
        print("+", *step, flush=True)
        code = subprocess.run(step, stdin=subprocess.DEVNULL, check=False).returncode
        if code:
            shutil.rmtree(fresh, ignore_errors=True)
            return code
    put(place, fresh)
    print(f"{engine} is installed in {place}", flush=True)
    return 0


def put(place: Path, fresh: Path) -> None:
    """Let the name lead to the new environment, in one step; the one before the last is nobody's any more."""
    before = place.resolve() if place.is_symlink() else None
    link = place.with_name(f".{place.name}.{os.getpid()}")
    link.symlink_to(fresh.name)
    link.replace(place)
    for old in place.parent.glob(f"{place.name}@*"):
        if old.is_dir() and old.resolve() not in (before, fresh.resolve()):
            shutil.rmtree(old, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
