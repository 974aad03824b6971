"""Which program runs an engine: the recipe's runtime or interpreter, a managed environment, the settings, PATH."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from studio_core.errors import BadRecipe
from studio_core.paths import engine_environment
from studio_core.recipes.recipe import Recipe

PYTHON = Path("bin/python")
OWN_FOLDERS = ("~/.local/bin", "~/bin")


@dataclass(frozen=True, slots=True)
class Program:
    """The first words of a command; `python` is the interpreter that can be asked about the engine, where it is known.

    `module`: it is the module form, which takes the model by a flag.
    """

    argv: tuple[str, ...]
    python: Path | None = None
    module: bool = False


def managed(engine: str) -> Path:
    """Where `studio engines install` puts an engine's own environment."""
    return engine_environment(engine)


def contained(recipe: Recipe) -> bool:
    """Whether a container image runs it; its own programs are meant then, not this machine's."""
    return (recipe.runtime is not None and recipe.runtime.kind == "docker") or "docker_image" in recipe.extra_args


def interpreter(recipe: Recipe, engine: str, setting: str = "") -> Path | None:
    """The interpreter to use, or None when only PATH is left.

    Raises:
        BadRecipe: the recipe names one that is not there or cannot be run.
    """
    named = _named(recipe, engine)
    if named is not None:
        path, field = named
        if not os.access(path, os.X_OK):
            what = "is not executable" if path.exists() else "is not there"
            raise BadRecipe(f"the interpreter {path} {what}", f"named by {field}", f"correct {field}")
        return path
    guesses = [Path(str(recipe.extra_args.get("venv_path") or "/nonexistent")).expanduser() / PYTHON]
    guesses += [Path(setting).expanduser()] if setting else []
    guesses.append(managed(engine) / PYTHON)
    return next((path for path in guesses if os.access(path, os.X_OK)), None)


def chosen(recipe: Recipe, engine: str) -> Path | None:
    """The interpreter that the recipe itself names, there or not; also behind a console script, and in `venv_path`."""
    named, program = _named(recipe, engine), binary(recipe)
    if program is not None:
        path = on_path(str(Path(program).expanduser()))
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


def on_path(name: str) -> str | None:
    """A program on PATH, or where users install theirs: a daemon that systemd starts has those folders not on its PATH."""
    folders = (os.environ.get("PATH", os.defpath), *(str(Path(one).expanduser()) for one in OWN_FOLDERS))
    return shutil.which(name, path=os.pathsep.join(folders))


def found(name: str, field: str) -> Path:
    """A program by its path, or on PATH. Raises BadRecipe."""
    path = on_path(str(Path(name).expanduser()))
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
