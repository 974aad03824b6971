"""A real SGLang's argument parser without a GPU, built once into the cache folder: `python -m tests.engines.sglang_environment`.

SGLang's own requirements are CUDA builds of several GB. Its argument parser needs none of them: beside the environment of
`tests/engines/vllm_environment.py`, from which torch and the rest are borrowed, the wheel (40 MB) and what is in NEEDED. Seen
with 0.5.23 on 2026-11-24. It starts no server.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

from studio_core.errors import StudioError
from studio_core.paths import cache_dir
from tests.engines import vllm_environment

VERSION = "0.5.23"
# What its modules import on the way to the arguments, and vLLM's environment does not have.
NEEDED = ("orjson", "ipython")
STAMPED = {"sglang": VERSION, "build": 1}


def place() -> Path:
    """The environment's folder, built or not."""
    return cache_dir() / "engines" / f"sglang-parser-{VERSION}"


def is_built(folder: Path) -> bool:
    """Whether this very build is there whole."""
    try:
        return bool(json.loads((folder / vllm_environment.STAMP).read_text(encoding="utf-8")) == STAMPED)
    except (OSError, ValueError):
        return False


def build(folder: Path, vllm: Path) -> None:
    """Make the environment unless it is there whole; `vllm` is the environment from which it borrows.

    Raises:
        StudioError: pip failed.
    """
    with vllm_environment.alone(folder):
        if is_built(folder):
            vllm_environment.say(f"SGLang's parser {VERSION} is there: {folder}")
            return
        shutil.rmtree(folder, ignore_errors=True)
        python = str(vllm / "bin" / "python")
        vllm_environment.run("a fresh virtual environment", [python, "-m", "venv", "--without-pip", str(folder)])
        site = next((folder / "lib").glob("python3*/site-packages"))
        borrowed = next((vllm / "lib").glob("python3*/site-packages"))
        (site / "borrowed.pth").write_text(f"{borrowed}\n", encoding="utf-8")
        pip = [python, "-m", "pip", "install", "--no-input", "--only-binary", ":all:", "--progress-bar", "off",
               "--target", str(site)]
        vllm_environment.run(f"SGLang {VERSION} alone", [*pip, "--no-deps", f"sglang=={VERSION}"])
        vllm_environment.run("what its arguments need", [*pip, *NEEDED])
        (folder / vllm_environment.STAMP).write_text(json.dumps(STAMPED), encoding="utf-8")
        vllm_environment.say(f"built: {folder}")


def main() -> int:
    vllm = vllm_environment.place()
    if not vllm_environment.is_built(vllm):
        print(f"error: no vLLM in {vllm}, which this borrows from; run: python -m tests.engines.vllm_environment", file=sys.stderr)
        return 1
    try:
        build(place(), vllm)
    except StudioError as error:
        print("\n".join(filter(None, (f"error: {error.title}", error.detail, error.hint))), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
