"""A recipe as one line for a shell, which read again gives the same recipe."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from studio_core.engines.container import SHARED
from studio_core.engines.container import image as official
from studio_core.engines.registry import find
from studio_core.errors import StudioError
from studio_core.importing import secret
from studio_core.importing.command import MARK
from studio_core.importing.container import entry_of
from studio_core.importing.found import nothing
from studio_core.importing.line import harvest
from studio_core.importing.program import LLAMA_SERVER, PYTHON
from studio_core.importing.words import words
from studio_core.importing.wrapper import PORT_WORD
from studio_core.recipes.recipe import Recipe, Runtime

# How each engine is called by name, and in the module form of an interpreter; {} is the model.
_NAMED: Mapping[str, tuple[str, ...]] = {
    "vllm": ("vllm", "serve", "{}"), "sglang": ("sglang", "serve", "--model-path", "{}"), "llamacpp": ("llama-server", "-m", "{}"),
    "tabbyapi": ("python", "main.py", "--model-dir", "{folder}", "--model-name", "{name}"),
}
_MODULE: Mapping[str, tuple[str, ...]] = {
    "vllm": ("-m", "vllm.entrypoints.openai.api_server", "--model", "{}"),
    "sglang": ("-m", "sglang.launch_server", "--model-path", "{}"),
    "tabbyapi": _NAMED["tabbyapi"][1:],
}


# Engines that take several names: the flag, and whether they are one word with commas.
_ALIASES: Mapping[str, tuple[str, bool]] = {"vllm": ("--served-model-name", False), "llamacpp": ("--alias", True)}


@dataclass(frozen=True, slots=True)
class Line:
    """The line, and what was left out of it."""

    text: str
    notes: tuple[str, ...]


def written(recipe: Recipe) -> Line:
    """The line a person may run or paste; what no flag says stands in a comment behind it.

    Raises:
        BadRecipe: nothing here can start its engine.
    """
    engine = find(recipe.backend).name
    recipe, notes = _without_secrets(recipe)
    text = command(engine, recipe)
    said = _read(text)
    beside = {name: value for name, value in recipe.stored().items() if name not in said or said[name] != value}
    mark = f"  # {MARK} {json.dumps(beside, ensure_ascii=True)}" if beside else ""
    return Line(text + mark, tuple(notes))


def command(engine: str, recipe: Recipe) -> str:
    """The line without its comment."""
    around = _prefix(recipe)
    if recipe.runtime is not None and recipe.runtime.kind == "docker":
        return _joined(_container(engine, recipe, around))
    cd = f"cd {shlex.quote(recipe.binary)} && " if engine == "tabbyapi" and recipe.binary else ""
    return cd + _joined((*(f"{name}={value}" for name, value in around), *_program(engine, recipe), *_arguments(engine, recipe)))


def _read(text: str) -> dict[str, Any]:
    try:
        return harvest(text, nothing).recipes[0].recipe().stored()
    except (StudioError, IndexError):
        return {}


def _without_secrets(recipe: Recipe) -> tuple[Recipe, list[str]]:
    """Secrets never go to where a line goes: histories, chats, issue trackers."""
    dropped = [name for name in recipe.env_vars if secret.variable(name)]
    flags = [name for name in recipe.extra_args if secret.flag(name)]
    kept = recipe.model_copy(update={
        "env_vars": {name: value for name, value in recipe.env_vars.items() if name not in dropped},
        "extra_args": {name: value for name, value in recipe.extra_args.items() if name not in flags},
    })
    return kept, [f"{name} is left out: secrets are never shown" for name in (*dropped, *flags)]


def _prefix(recipe: Recipe) -> list[tuple[str, str]]:
    gpus = [("CUDA_VISIBLE_DEVICES", ",".join(recipe.gpus))] if recipe.gpus else []
    return [*gpus, *recipe.env_vars.items()]


def _program(engine: str, recipe: Recipe) -> Iterator[str]:
    folder, _, name = recipe.model_path.rstrip("/").rpartition("/")
    parts = _NAMED[engine]
    if engine in _MODULE and recipe.python_path and PYTHON.match(PurePosixPath(recipe.python_path).name):
        parts = (recipe.python_path, *_MODULE[engine])
    elif engine == "llamacpp":
        own = recipe.binary if recipe.binary and LLAMA_SERVER.match(PurePosixPath(recipe.binary).name) else parts[0]
        parts = (own, "-m" if _is_file(recipe.model_path) else "-hf", "{}")
    for part in parts:
        yield part.format(recipe.model_path, folder=folder or ".", name=name) if "{" in part else part


def _is_file(model: str) -> bool:
    return model.endswith(".gguf") or model.startswith(("/", "~", ".", "$"))


def _container(engine: str, recipe: Recipe, around: list[tuple[str, str]]) -> Iterator[str]:
    """As a person would run the image: the GPUs, the host's network, and what the recipe asks of the runtime."""
    wanted = recipe.runtime or Runtime(kind="docker")
    image = official(recipe)
    gpus = f'"device={",".join(recipe.gpus)}"' if recipe.gpus else "all"
    yield from ("docker", "run", "--rm", "--gpus", gpus, "--network=host")
    yield from ("--ipc", wanted.ipc) if wanted.ipc else ()
    if wanted.shm_size or not wanted.ipc:
        yield from ("--shm-size", wanted.shm_size or SHARED)
    for flag, values in (("--ulimit", wanted.ulimits), ("--volume", wanted.volumes)):
        yield from (word for one in values for word in (flag, one))
    yield from wanted.args
    for name, value in around:
        if name != "CUDA_VISIBLE_DEVICES":
            yield from ("-e", f"{name}={value}")
    plain = recipe.model_copy(update={"python_path": None, "binary": None})
    whole = [*_program(engine, plain), *_arguments(engine, plain)]
    entry = entry_of(image)
    yield image
    yield from whole[len(entry):] if whole[:len(entry)] == list(entry) else whole


def _arguments(engine: str, recipe: Recipe) -> list[str]:
    """The engine's arguments as a launch would have them, with a stand-in for the port that it would choose."""
    given = words(engine, recipe)
    at = given.index("--host")
    del given[at:at + 2]
    at = given.index("--port") + 1
    given[at] = PORT_WORD if recipe.port is None else str(recipe.port)
    if recipe.aliases and engine in _ALIASES:
        # In a launch the gateway answers to them; without it the engine has to.
        flag, joined = _ALIASES[engine]
        at = given.index(flag) + 1
        names = (given[at], *recipe.aliases)
        given[at:at + 1] = [",".join(names)] if joined else names
    return given


def _joined(parts: Iterator[str] | tuple[str, ...]) -> str:
    """Quoted for a shell; the value of an assignment alone, so that it stays one."""
    quoted = []
    for part in parts:
        name, equals, value = part.partition("=")
        if part == PORT_WORD:
            quoted.append(part)
        elif equals and name.isidentifier() and not any("=" not in one for one in quoted):
            quoted.append(f"{name}={shlex.quote(value)}")
        else:
            quoted.append(shlex.quote(part))
    return " ".join(quoted)
