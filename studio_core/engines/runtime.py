"""Which program runs an engine: the recipe's runtime or interpreter, a managed environment, the settings, PATH."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from studio_core.errors import BadRecipe
from studio_core.paths import engine_environment
from studio_core.recipes.recipe import Recipe
from studio_core.settings import Settings

PYTHON = Path("bin/python")
OWN_FOLDERS = ("~/.local/bin", "~/bin")
# The settings that name an engine's interpreter, for recipes that name none.
INTERPRETERS = {"sglang": "sglang_python"}


@dataclass(frozen=True, slots=True)
class Program:
    """The first words of a command; `python` is the interpreter that can be asked about the engine, where it is known.

    `module`: it is the module form, which takes the model by a flag. `origin` says who named it, or where it was found.
    """

    argv: tuple[str, ...]
    python: Path | None = None
    module: bool = False
    origin: str = ""


def managed(engine: str) -> Path:
    """Where `studio engines install` puts an engine's own environment."""
    return engine_environment(engine)


def contained(recipe: Recipe) -> bool:
    """Whether a container image runs it; its own programs are meant then, not this machine's."""
    return (recipe.runtime is not None and recipe.runtime.kind == "docker") or "docker_image" in recipe.extra_args


def interpreter(recipe: Recipe, engine: str, settings: Settings) -> tuple[Path, str] | None:
    """The interpreter to use and its origin, or None when only the folders of programs are left.

    Raises:
        BadRecipe: the recipe names one that is not there or cannot be run.
    """
    named = _named(recipe, engine)
    if named is not None:
        path, field = named
        if not os.access(path, os.X_OK):
            what = "is not executable" if path.exists() else "is not there"
            raise BadRecipe(f"the interpreter {path} {what}", f"named by {field}", f"correct {field}")
        return path, f"the recipe's {field}"
    setting = INTERPRETERS.get(engine, "")
    guesses = [(str(recipe.extra_args.get("venv_path") or "/nonexistent") + f"/{PYTHON}", "the recipe's venv_path")]
    guesses += [(str(getattr(settings, setting)), f"setting {setting}")] if setting and getattr(settings, setting) else []
    guesses.append((str(managed(engine) / PYTHON), "managed"))
    return next(((path, origin) for text, origin in guesses if os.access(path := Path(text).expanduser(), os.X_OK)), None)


def chosen(recipe: Recipe, engine: str, settings: Settings) -> Path | None:
    """The interpreter that the recipe itself names, there or not; also behind a console script, and in `venv_path`."""
    named, program = _named(recipe, engine), binary(recipe)
    if program is not None:
        path = on_path(program, settings)
        return (behind(Path(path)) if path else None) or Path(program)
    if named is not None:
        return named[0]
    place = recipe.extra_args.get("venv_path")
    return Path(str(place)).expanduser() / PYTHON if place else None


def _named(recipe: Recipe, engine: str) -> tuple[Path, str] | None:
    runtime = recipe.runtime
    if runtime is not None and runtime.kind == "managed_venv":
        return (Path(runtime.ref).expanduser() if runtime.ref else managed(engine)) / PYTHON, "runtime.ref"
    if runtime is not None and runtime.kind == "system" and runtime.ref:
        return Path(runtime.ref).expanduser(), "runtime.ref"
    return (Path(recipe.python_path).expanduser(), "python_path") if recipe.python_path else None


def binary(recipe: Recipe) -> str | None:
    """The program that the recipe names itself."""
    if recipe.runtime is not None and recipe.runtime.kind == "binary" and recipe.runtime.ref:
        return recipe.runtime.ref
    return recipe.binary


def on_path(name: str, settings: Settings, environ: Mapping[str, str] = os.environ) -> str | None:
    """A program by its path, or in the first folder that has it: the setting's, those on PATH, those where users install theirs.

    A daemon that systemd starts has the last ones not on its PATH.
    """
    return shutil.which(os.path.expanduser(name), path=os.pathsep.join(folder for folder, _ in _folders(settings, environ)))


def whence(path: Path, settings: Settings) -> str:
    """What led to the folder of a program that was found by its name."""
    return next((origin for folder, origin in _folders(settings, os.environ) if Path(folder) == path.parent), "PATH")


def _folders(settings: Settings, environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Where programs are looked for, in this order, each with its origin."""
    if settings.runtime_bin:
        yield os.path.expanduser(settings.runtime_bin), "setting runtime_bin"
    for folder in environ.get("PATH", os.defpath).split(os.pathsep):
        yield folder, "PATH"
    home = environ.get("HOME") or os.path.expanduser("~")
    for folder in OWN_FOLDERS:
        yield folder.replace("~", home, 1), folder


def found(name: str, field: str, settings: Settings) -> Path:
    """A program by its path, or by its name. Raises BadRecipe."""
    path = on_path(name, settings)
    if path is None:
        raise BadRecipe(f"the program {name} is not there", "or is not executable", f"correct {field}")
    return Path(path).absolute()


def sibling(python: Path, name: str) -> Path | None:
    """The console script beside an interpreter. The interpreter's own link is not followed: it may lead out of the environment."""
    path = python.parent / name
    return path if os.access(path, os.X_OK) else None


def version_in(python: Path, package: str) -> str:
    """Of a package in an interpreter's environment, without running anything; empty when it is not there."""
    for folder in sorted(python.parent.parent.glob(f"lib*/python3*/site-packages/{package}-*.dist-info"), reverse=True):
        return folder.name.removeprefix(f"{package}-").removesuffix(".dist-info")
    return ""


def behind(script: Path) -> Path | None:
    """The interpreter in a console script's first line."""
    try:
        with script.open("rb") as file:
            first = file.readline(4096).decode("utf-8", "replace").strip()
    except OSError:
        return None
    path = Path(first.removeprefix("#!").strip().split(" ")[0]) if first.startswith("#!") else None
    return path if path is not None and path.name.startswith("python") and os.access(path, os.X_OK) else None
