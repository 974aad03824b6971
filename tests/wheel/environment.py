"""A fresh virtual environment with the built wheel, and with what the wheel says that it needs: nothing else is there."""

from __future__ import annotations

import importlib.metadata as metadata
import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.guards.source import ROOT

PATIENCE_S = 120
# What the project is built with. Where it is installed nothing has to be fetched.
BACKEND = "hatchling"
FOREIGN = ("PYTHON", "VIRTUAL_ENV", "VLLM_STUDIO_", "XDG_", "TEXTUAL")


@dataclass(frozen=True)
class Environment:
    """A virtual environment that knows neither the checkout nor the packages of who made it."""

    root: Path
    site: Path

    @property
    def python(self) -> Path:
        return self.root / "bin" / "python"

    @property
    def studio(self) -> Path:
        return self.root / "bin" / "studio"


def build(folder: Path) -> Path:
    """The checkout's wheel, made in `folder`. Run from there: a folder `build` in the checkout would hide the package."""
    isolation = ["--no-isolation"] if importlib.util.find_spec(BACKEND) else []
    run([sys.executable, "-m", "build", "--wheel", *isolation, "--outdir", folder, ROOT], folder)
    (wheel,) = folder.glob("*.whl")
    return wheel


def install(wheel: Path, root: Path) -> Environment:
    """A new environment with the wheel, installed by its own pip, and links to the packages that it requires."""
    run([sys.executable, "-m", "venv", root], root.parent)
    pip: list[str | Path] = [root / "bin" / "python", "-m", "pip", "--disable-pip-version-check", "--no-input"]
    run([*pip, "install", "--quiet", "--no-index", "--no-deps", wheel], root.parent)
    (site,) = root.glob("lib/python*/site-packages")
    for each in needed(site):
        _link(metadata.distribution(each), site)
    return Environment(root, site)


def run(argv: Sequence[str | Path], folder: Path) -> None:
    done = subprocess.run(
        argv, cwd=folder, env=bare(), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert done.returncode == 0, f"{argv}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"


def bare() -> dict[str, str]:
    """Our environment without what would show a Python other packages, or a Studio other settings."""
    return {name: text for name, text in os.environ.items() if not name.startswith(FOREIGN)}


def required(site: Path, extra: str = "") -> set[str]:
    """The names of the packages that the installed wheel itself requires, with an extra or without."""
    (wheel,) = metadata.distributions(name="studio-tui", path=[str(site)])
    return {name for name, _ in _requirements(wheel, extra)}


def needed(site: Path) -> set[str]:
    """The same with all that those require in turn, as an installer would bring it."""
    found, left = set[tuple[str, str]](), [(name, "") for name in required(site)]
    while left:
        name, extra = one = left.pop()
        if one not in found:
            found.add(one)
            left += _requirements(metadata.distribution(name), extra)
    return {name for name, _ in found}


def _requirements(package: metadata.Distribution, extra: str) -> Iterator[tuple[str, str]]:
    """Name and each extra of what a package requires on this machine; what is installed here must do."""
    for one in map(Requirement, package.requires or ()):
        if one.marker is None or one.marker.evaluate({"extra": extra}):
            version = metadata.version(one.name)
            assert one.specifier.contains(version, prereleases=True), f"{package.name} requires {one}, here is {version}"
            yield from ((canonicalize_name(one.name), each) for each in ("", *one.extras))


def _link(package: metadata.Distribution, site: Path) -> None:
    """Each folder and module of a package, its metadata too. Programs and other packages' folders stay outside."""
    for top in {Path(file).parts[0] for file in package.files or ()} - {"..", "__pycache__"}:
        if not (site / top).exists():
            (site / top).symlink_to(Path(str(package.locate_file(top))))
