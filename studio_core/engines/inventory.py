"""Which engines this machine has, where, in which version, and what they can do here. Nothing is imported, little is run."""

from __future__ import annotations

import importlib.metadata
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

from studio_core import wire
from studio_core.engines import machine, runtime
from studio_core.recipes.recipe import Recipe
from studio_core.settings import Settings

PYTHON_ENGINES = ("vllm", "sglang")
VERSION_S = 10.0
_RELEASE = re.compile(r"version: (\S+)")


def inventory(settings: Settings, recipes: Iterable[Recipe]) -> list[wire.Installed]:
    """Every place once, in the order in which a recipe without a choice of its own would use them."""
    found: dict[tuple[str, str], wire.Installed] = {}
    for one in (*_managed(), *_of_settings(settings), *_on_path(), *_of_recipes(recipes), *_package()):
        found.setdefault((one.engine, one.place), one)
    return list(found.values())


def _managed() -> Iterator[wire.Installed]:
    for engine in PYTHON_ENGINES:
        if runtime.managed(engine).exists():
            yield environment(engine, runtime.managed(engine) / runtime.PYTHON, "managed")


def _of_settings(settings: Settings) -> Iterator[wire.Installed]:
    if settings.sglang_python:
        yield environment("sglang", Path(settings.sglang_python).expanduser(), "setting sglang_python")
    if settings.tabby_api_dir:
        home = Path(settings.tabby_api_dir).expanduser()
        there = (home / "main.py").is_file()
        yield wire.Installed(engine="tabbyapi", place=str(home), origin="setting tabby_api_dir", usable=there,
                             note="" if there else "it has no main.py")


def _on_path() -> Iterator[wire.Installed]:
    for engine in PYTHON_ENGINES:
        script = shutil.which(engine)
        python = runtime.behind(Path(script)) if script else None
        if python is not None:
            yield environment(engine, python, "PATH")
    server = shutil.which("llama-server")
    if server is not None:
        version = _said(Path(server))
        yield wire.Installed(engine="llamacpp", version=version, place=server, origin="PATH", usable=bool(version),
                             note="" if version else "it does not run: see llama-server --version")


def _of_recipes(recipes: Iterable[Recipe]) -> Iterator[wire.Installed]:
    for recipe in recipes:
        if recipe.backend in PYTHON_ENGINES and recipe.python_path:
            yield environment(recipe.backend, Path(recipe.python_path).expanduser(), f"recipe {recipe.id}")


def _package() -> Iterator[wire.Installed]:
    try:
        version = importlib.metadata.version("xllamacpp")
    except importlib.metadata.PackageNotFoundError:
        return
    yield wire.Installed(engine="llamacpp", version=version, place="xllamacpp", origin="package", usable=True,
                         note="Studio's own runner; on the CPU")


def environment(engine: str, python: Path, origin: str) -> wire.Installed:
    """An engine in an interpreter's environment, by the metadata of its package."""
    version = version_in(python, engine)
    found = wire.Installed(engine=engine, version=version, place=str(python), origin=origin, usable=bool(version))
    if not version:
        found.note = f"there is no {engine} in it" if python.exists() else "the interpreter is not there"
    elif "cpu" in version:
        found.note = "a build for the CPU"
    elif not machine.count():
        found.usable, found.note = False, "it needs a GPU, and this machine has none"
    return found


def version_in(python: Path, package: str) -> str:
    """Without running anything; empty when the package is not there."""
    for folder in sorted(python.parent.parent.glob(f"lib*/python3*/site-packages/{package}-*.dist-info"), reverse=True):
        return folder.name.removeprefix(f"{package}-").removesuffix(".dist-info")
    return ""


def _said(server: Path) -> str:
    """llama-server prints `version: NUMBER (COMMIT)` on stderr."""
    try:
        done = subprocess.run([str(server), "--version"], capture_output=True, text=True, timeout=VERSION_S, check=False,
                              stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    match = _RELEASE.search(done.stderr + done.stdout)
    return match[1] if match else ""
