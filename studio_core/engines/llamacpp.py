"""llama.cpp's server: `llama-server` where it is installed, else our runner over `xllamacpp`.

Facts: flags, milestones and failures as printed by llama.cpp b11434 (llama-server) and b11549 (xllamacpp).
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Any

from studio_core.engines.engine import Bench, Command, Milestone, Probe, Signature
from studio_core.engines.llamacpp_table import MILESTONES, SERIES, SIGNATURES
from studio_core.errors import BadRecipe
from studio_core.recipes.recipe import Recipe
from studio_core.settings import Settings

RUNNER = "studio_core.engines.llamaserver"
GGUF_MAGIC = b"GGUF"
# Keys of extra_args that are notes of people and tools, never flags.
NOT_FLAGS = frozenset({"description", "tags", "status", "metadata", "notes", "llama_bin", "venv_path", "env_vars"})
# These are given by Studio at launch; a recipe cannot move an engine elsewhere.
RESERVED = frozenset({"--host", "--port", "--api-key", "--api-key-file"})


class LlamaCpp:
    """The Engine for GGUF models."""

    name = "llamacpp"
    milestones: Sequence[Milestone] = MILESTONES
    signatures: Sequence[Signature] = SIGNATURES
    probes: Sequence[Probe] = (Probe("/health"), Probe("/v1/models", keyed=True))
    series: Mapping[str, str] = SERIES

    def check(self, recipe: Recipe, settings: Settings) -> None:
        """Model file, binary and flags, before anything is stopped for them."""
        _check_model(recipe)
        server = launcher(recipe)
        known = flags(server)
        for flag in _emitted(recipe):
            if flag in RESERVED:
                raise BadRecipe(f"{flag} is set by Studio", f"in extra_args of {recipe.id}", "leave it out")
            if known and flag not in known:
                near = get_close_matches(flag, known, n=1)
                raise BadRecipe(
                    f"unknown flag {flag}", f"in extra_args of {recipe.id}; {server[0]} does not take it",
                    f"did you mean {near[0]}?" if near else f"see: {' '.join(server)} --help",
                )

    def command(self, recipe: Recipe, bench: Bench) -> Command:
        """The key goes through the environment: argv is visible to every user of the machine."""
        given = set(_emitted(recipe))
        pairs = {
            "--model": recipe.model_path,
            "--host": bench.host,
            "--port": str(bench.port),
            "--alias": ",".join(recipe.public_names),
            "--ctx-size": str(recipe.max_model_len),
        }
        base = [part for flag, value in pairs.items() if flag not in given for part in (flag, value)]
        argv = (*launcher(recipe), *base, "--metrics", *_arguments(recipe))
        # llama-server reads a config.ini of the user's before its arguments; a folder of our own keeps that out.
        env = {"LLAMA_API_KEY": bench.api_key, "XDG_CONFIG_HOME": str(bench.folder)}
        if argv[1:3] == ("-m", RUNNER):
            env["PYTHONPATH"] = str(Path(__file__).parent.parent.parent)
        return Command(argv, env)


def launcher(recipe: Recipe) -> tuple[str, ...]:
    """The server to run: the recipe's binary, else `llama-server` on PATH, else our runner.

    Raises:
        BadRecipe: none of them is there.
    """
    if recipe.binary:
        found = shutil.which(recipe.binary)
        if found is None:
            raise BadRecipe(f"no executable {recipe.binary}", f"binary of {recipe.id}", "correct `binary` or leave it out")
        return (found,)
    if found := shutil.which("llama-server"):
        return (found,)
    if importlib.util.find_spec("xllamacpp") is None:
        raise BadRecipe(
            "no llama.cpp server is installed", "neither llama-server on PATH nor the package xllamacpp",
            "install llama.cpp, or: pip install 'studio-tui[demo]'",
        )
    return (sys.executable, "-m", RUNNER)


def flags(server: tuple[str, ...]) -> frozenset[str]:
    """The flags that this server prints with --help; empty when it cannot be asked."""
    try:
        changed = os.stat(server[0]).st_mtime_ns
    except OSError:
        changed = 0
    return _flags(server, changed)


@lru_cache(maxsize=16)
def _flags(server: tuple[str, ...], changed: int) -> frozenset[str]:
    try:
        answer = subprocess.run([*server, "--help"], capture_output=True, text=True, timeout=20, check=False, cwd="/")
    except (OSError, subprocess.TimeoutExpired):
        return frozenset()
    words = answer.stdout.replace(",", " ").replace("=", " ").split()
    return frozenset(word for word in words if word.startswith("-") and len(word) > 1)


def _check_model(recipe: Recipe) -> None:
    path = Path(recipe.model_path).expanduser()
    if not path.is_file():
        raise BadRecipe(f"no model file {recipe.model_path}", f"model_path of {recipe.id}", "give the path of a .gguf file")
    try:
        with path.open("rb") as file:
            magic = file.read(4)
    except OSError as error:
        raise BadRecipe(f"cannot read {recipe.model_path}", error.strerror or "", "check its permissions") from error
    if magic != GGUF_MAGIC:
        raise BadRecipe(f"{recipe.model_path} is not a GGUF file", "its first four bytes say so", "give a .gguf file")


def _pairs(recipe: Recipe) -> Iterator[tuple[str, Any]]:
    for key, value in recipe.extra_args.items():
        if key not in NOT_FLAGS and value is not None and value is not False:
            yield key if key.startswith("-") else f"--{key.replace('_', '-')}", value


def _emitted(recipe: Recipe) -> list[str]:
    return [flag for flag, _ in _pairs(recipe)]


def _arguments(recipe: Recipe) -> list[str]:
    """true is a bare flag, a list repeats it; false and null emit nothing."""
    found: list[str] = []
    for flag, value in _pairs(recipe):
        for one in value if isinstance(value, list) else [value]:
            found += [flag] if one is True else [flag, str(one)]
    return found
