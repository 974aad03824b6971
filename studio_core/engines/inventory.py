"""Which engines this machine has, where, in which version, and what they can do here. Nothing is imported, little is run."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path

from studio_core import wire
from studio_core.engines import action, inquiry, machine, runtime, tabbyapi
from studio_core.recipes.recipe import Recipe
from studio_core.settings import Settings

PYTHON_ENGINES = ("vllm", "sglang")
VERSION_S = 10.0
_RELEASE = re.compile(r"version: (\S+)")
# `  CUDA0: NVIDIA H100 (81110 MiB, 80000 MiB free)`, as llama-server lists them.
_DEVICE = re.compile(r"^ +(?P<name>\w+): (?P<title>.+?) \(\d+ MiB", re.MULTILINE)
# What an engine can be asked while it runs, in words.
_WORDS = {"sleep 1": "sleep", "load adapter": "adapters", "scale adapters": "adapters", "slots": "slots"}
_NO_GPU = "it needs a GPU, and this machine has none"


def inventory(settings: Settings, recipes: Iterable[Recipe]) -> list[wire.Installed]:
    """Every place once, in the order in which a recipe without a choice of its own would use them."""
    found: dict[tuple[str, str], wire.Installed] = {}
    for one in (*_managed(), *_of_settings(settings), *_on_path(settings), *_of_recipes(recipes, settings), *_package()):
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
        yield checkout(Path(settings.tabby_api_dir).expanduser(), "setting tabby_api_dir")


def _on_path(settings: Settings) -> Iterator[wire.Installed]:
    """By their names, in the folders in which programs are looked for."""
    for engine in PYTHON_ENGINES:
        script = runtime.on_path(engine, settings)
        python = runtime.behind(Path(script)) if script else None
        if script and python is not None:
            yield environment(engine, python, runtime.whence(Path(script), settings))
    found = runtime.on_path("llama-server", settings)
    if found is not None:
        yield server(Path(found), runtime.whence(Path(found), settings))


def _of_recipes(recipes: Iterable[Recipe], settings: Settings) -> Iterator[wire.Installed]:
    """What they name themselves; images are their runtime's matter."""
    for recipe in recipes:
        origin, binary = f"recipe {recipe.id}", runtime.binary(recipe)
        if runtime.contained(recipe):
            continue
        if recipe.backend in PYTHON_ENGINES and (python := runtime.chosen(recipe, recipe.backend, settings)) is not None:
            yield environment(recipe.backend, python, origin)
        elif recipe.backend == "tabbyapi" and binary:
            home = Path(binary).expanduser()
            yield checkout(home.parent if home.name == "main.py" else home, origin)
        elif recipe.backend == "llamacpp" and (named := binary or recipe.extra_args.get("llama_bin")):
            path = Path(str(named)).expanduser()
            yield server(Path(runtime.on_path(str(path), settings) or path), origin)


def _package() -> Iterator[wire.Installed]:
    try:
        version = importlib.metadata.version("xllamacpp")
    except importlib.metadata.PackageNotFoundError:
        return
    yield wire.Installed(engine="llamacpp", version=version, place="xllamacpp", origin="package", usable=True,
                         can=["CPU", *_abilities("llamacpp")], note="Studio's own runner; on the CPU")


def environment(engine: str, python: Path, origin: str) -> wire.Installed:
    """An engine in an interpreter's environment, by the metadata of its package."""
    version = runtime.version_in(python, engine)
    found = wire.Installed(engine=engine, version=version, place=str(python), origin=origin, usable=bool(version))
    if not version:
        found.note = f"there is no {engine} in it" if python.exists() else "the interpreter is not there"
    elif "cpu" in version:
        # Its sleep frees what CUDA has allocated.
        found.note, found.can = "a build for the CPU", ["CPU", *(one for one in _abilities(engine) if one != "sleep")]
    elif not machine.count() and not machine.rocm():
        found.usable, found.note = False, _NO_GPU
    else:
        found.can = [*_gpus(), *_abilities(engine)]
    return found


def checkout(home: Path, origin: str) -> wire.Installed:
    """A TabbyAPI, which has no releases: its version is a commit."""
    found = wire.Installed(engine="tabbyapi", version=_commit(home), place=str(home), origin=origin)
    if not (home / "main.py").is_file():
        found.note = "it has no main.py"
    elif not any((home / one).exists() for one in tabbyapi.INTERPRETERS):
        found.note = "it has no venv: run its start.sh once, or name an interpreter in python_path"
    elif not machine.count():
        found.note = _NO_GPU
    else:
        found.usable, found.can = True, [*_gpus(), *_abilities("tabbyapi")]
    return found


def server(path: Path, origin: str) -> wire.Installed:
    """A llama-server, which tells its version and its devices."""
    found = wire.Installed(engine="llamacpp", place=str(path), origin=origin)
    try:
        info = path.stat()
    except OSError:
        found.note = "the program is not there"
        return found
    found.version, devices = _told(str(path), info.st_mtime_ns, info.st_size)
    found.usable = bool(found.version)
    if not found.usable:
        found.note = "it does not run: see llama-server --version"
        return found
    found.can = [*(devices or ("CPU",)), *_abilities("llamacpp")]
    if not devices and (machine.count() or machine.rocm()):
        found.note = "it does not use this machine's GPUs: a build for the CPU, or their driver does not fit"
    return found


def _gpus() -> list[str]:
    return [f"{count} GPU{'s' if count > 1 else ''}"] if (count := machine.count()) else ["AMD GPUs"]


def _abilities(engine: str) -> list[str]:
    return list(dict.fromkeys(_WORDS[name] for name in action.TABLE.get(engine, {}) if name in _WORDS))


@lru_cache(maxsize=32)
def _told(path: str, mtime_ns: int, size: int) -> tuple[str, tuple[str, ...]]:
    """Version and devices, asked once per version of the file. `version: NUMBER (COMMIT)` comes on stderr."""
    match = _RELEASE.search(_said(path, "--version"))
    if match is None:
        return "", ()
    devices = _said(path, "--list-devices").partition("Available devices:")[2]
    return match[1], tuple(f"{one['name']} {one['title']}" for one in _DEVICE.finditer(devices))


def _said(path: str, flag: str) -> str:
    try:
        done = inquiry.run([path, flag], VERSION_S)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stderr + done.stdout


def _commit(home: Path) -> str:
    """Of a checkout, shortened; empty where it is none of git's."""
    try:
        head = (home / ".git" / "HEAD").read_text(encoding="ascii").strip()
        name = head.removeprefix("ref: ")
        if name == head:
            return head[:8]
        loose, packed = home / ".git" / name, home / ".git" / "packed-refs"
        if loose.is_file():
            return loose.read_text(encoding="ascii").strip()[:8]
        return next((line[:8] for line in packed.read_text(encoding="ascii").splitlines() if line.endswith(f" {name}")), "")
    except (OSError, ValueError):
        return ""
