"""llama.cpp: its own `llama-server`, or the same server out of the `xllamacpp` wheel behind our runner."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from studio_core.engines import (
    adapter,
    catalog,
    container,
    helptext,
    inquiry,
    llamacpp_table,
    llamaserver,
    machine,
    runtime,
    thinking,
    unheard,
    variable,
)
from studio_core.engines.argument import Option, arguments, kept
from studio_core.engines.catalog import Catalog
from studio_core.engines.engine import Bench, Command, Probe, stand_in
from studio_core.engines.field import BESIDE
from studio_core.engines.node import Line
from studio_core.engines.problem import Problem, examine, examine_own, insist
from studio_core.errors import BadRecipe
from studio_core.recipes.recipe import Recipe
from studio_core.settings import Settings

RUNNER = "studio_core.engines.llamaserver"
RUNNER_LABEL = "Studio's llama.cpp runner"
MAGIC = b"GGUF"
# libllama's own lines (tensors, KV cache, buffers) are printed from this level on; the default is 3.
VERBOSITY = "4"
# What an older build may lack without harm.
WISHES = frozenset({"--verbosity", "--kv-unified", *thinking.LLAMA})
# vLLM's default, which a recipe carries when nobody chose a number: the engine then picks its own.
UNCHOSEN_SEQS = int(Recipe.model_fields["max_num_seqs"].default)
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+(:[\w.-]+)?\Z")
_LATER_PART = re.compile(r"-(?!00001)\d{5}-of-\d{5}\.gguf\Z")


@dataclass(frozen=True, slots=True)
class Launcher:
    """How the server is started: the first words of its command, the flags it takes, what it needs around it, who named it."""

    argv: tuple[str, ...]
    flags: Catalog
    label: str
    env: Mapping[str, str]
    origin: str


class LlamaCpp:
    """llama-server, b11434 or later. Its key goes through `LLAMA_API_KEY`; any model name is answered."""

    name = "llamacpp"
    milestones = llamacpp_table.MILESTONES
    signatures = llamacpp_table.SIGNATURES
    series: Mapping[str, str] = llamacpp_table.SERIES
    # /health answers 503 while the model loads, 200 after; the model list needs the key.
    probes = (Probe("/health"), Probe("/v1/models", keyed=True))

    def check(self, recipe: Recipe, settings: Settings) -> None:
        """Everything that can be known before the start: binary, model file, every flag."""
        insist(self.problems(recipe, settings))

    def problems(self, recipe: Recipe, settings: Settings, ask: bool = False) -> Iterator[Problem]:
        try:
            start = launcher(recipe, settings)
            model_option(recipe.model_path)
        except BadRecipe as error:
            yield Problem("model_path" if "model" in error.title else "binary", str(error), error.hint)
            return
        if runtime.contained(recipe):
            yield from container.problems(recipe, self.name, settings)
        else:
            yield from adapter.files(recipe)
        yield from machine.absent(recipe)
        yield from examine(recipe.extra_args, start.flags, llamacpp_table.OWNED)
        own = known(served(recipe, stand_in(settings)), start)
        yield from thinking.untold(recipe, start.flags)
        yield from unheard.problems(recipe, self.name, "llama.cpp")
        yield from variable.problems(recipe)
        yield from examine_own(kept(own, recipe.extra_args, start.flags), start.flags, BESIDE)

    def nodes(self, recipe: Recipe) -> Sequence[Line]:
        return ()

    def command(self, recipe: Recipe, bench: Bench) -> Command:
        """The command line. The working directory is the instance's folder, which also hides the user's own
        llama.cpp configuration (read from XDG_CONFIG_HOME before the arguments)."""
        start = launcher(recipe, bench.settings)
        own = known(options(recipe, bench), start)
        insist(examine(recipe.extra_args, start.flags, llamacpp_table.OWNED))
        env = {**start.env, "LLAMA_API_KEY": bench.api_key, "XDG_CONFIG_HOME": str(bench.folder / "config")}
        argv = (*start.argv, *arguments(own, recipe.extra_args, start.flags))
        return Command(argv, env, str(bench.folder), origin=start.origin)


def options(recipe: Recipe, bench: Bench) -> list[Option]:
    """The structured fields as flags, the model's first."""
    return [model_option(recipe.model_path), *served(recipe, bench)]


def served(recipe: Recipe, bench: Bench) -> list[Option]:
    """All but the model.

    `max_model_len` is the longest request, as in vLLM: several sequences share one unified cache of that size.
    """
    shared: list[Option] = []
    if recipe.max_num_seqs != UNCHOSEN_SEQS:
        shared = [("--parallel", str(recipe.max_num_seqs)), ("--kv-unified",)]
    return [
        ("--host", bench.host),
        ("--port", str(bench.port)),
        ("--alias", recipe.public_names[0]),
        ("--ctx-size", str(recipe.max_model_len)),
        *shared,
        *adapter.scaled(recipe),
        *thinking.options(recipe),
        ("--metrics",),
        ("--verbosity", VERBOSITY),
    ]


def known(own: Sequence[Option], start: Launcher) -> list[Option]:
    """Without wishes that the server has never heard of."""
    return [option for option in own if option[0] not in WISHES or start.flags.find(option[0])]


def launcher(recipe: Recipe, settings: Settings) -> Launcher:
    """The recipe's binary, else `llama-server` on PATH, else our runner.

    Raises:
        BadRecipe: none of them is there.
    """
    if runtime.contained(recipe):
        return Launcher(("llama-server",), catalog.shipped("llamacpp"), "llama-server of the image", {}, "the image")
    chosen = runtime.binary(recipe) or recipe.extra_args.get("llama_bin")
    found = runtime.on_path(str(chosen or "llama-server"), settings)
    if found:
        path = Path(found).absolute()
        origin = "the recipe's binary" if chosen else runtime.whence(Path(found), settings)
        return Launcher((str(path),), inquiry.binary(path, "llamacpp"), str(path), {}, origin)
    if chosen:
        raise _unusable(str(chosen))
    if importlib.util.find_spec("xllamacpp") is None:
        raise BadRecipe("no llama.cpp server found", "neither llama-server on PATH nor the package xllamacpp",
                        "install llama.cpp, or: pip install 'studio-tui[demo]'")
    flags = catalog.limited(catalog.shipped("llamacpp"), map(helptext.named, llamaserver.spellings()), RUNNER_LABEL)
    return Launcher((sys.executable, "-m", RUNNER), flags, RUNNER_LABEL, _import_path(), "package xllamacpp")


def _unusable(binary: str) -> BadRecipe:
    """Why nothing can be started by that name."""
    path = Path(binary).expanduser()
    hint = "correct the recipe's field binary, or remove it to use llama-server on PATH"
    if path.is_dir():
        return BadRecipe(f"the binary {binary} is a folder", "", f"name the program in it; {hint}")
    if path.exists():
        return BadRecipe(f"the binary {binary} is not executable", "", f"run: chmod +x {shlex.quote(binary)}; or {hint}")
    return BadRecipe(f"the binary {binary} is not there", "", hint)


def _import_path() -> dict[str, str]:
    """In a checkout that nobody installed, the runner's interpreter has to be told where the code is."""
    root = Path(__file__).parents[2]
    return {"PYTHONPATH": str(root)} if (root / "pyproject.toml").is_file() else {}


def model_option(model: str) -> Option:
    """The flag that names the model: a GGUF file, a folder with one, or a Hugging Face id."""
    path = Path(model).expanduser()
    if not path.exists() and _HUB_ID.match(model):
        return ("--hf-repo", model)
    return ("--model", str(model_file(path)))


def model_file(path: Path) -> Path:
    """The GGUF file to load; of a model in several parts, the first.

    Raises:
        BadRecipe: missing, not readable, not a GGUF file, or several to choose from.
    """
    if path.is_dir():
        path = _only_model(path)
    try:
        with path.open("rb") as stream:
            magic = stream.read(len(MAGIC))
    except FileNotFoundError:
        raise BadRecipe(f"the model file {path} is not there", "", "correct model_path") from None
    except OSError as error:
        raise BadRecipe(f"the model file {path} cannot be read", error.strerror or str(error),
                        "check its permissions") from error
    if magic != MAGIC:
        raise BadRecipe(f"{path} is not a GGUF file", f"it begins with {magic!r}",
                        "llama.cpp loads GGUF files; for other formats choose another backend")
    return path.absolute()


def _only_model(folder: Path) -> Path:
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        raise BadRecipe(f"the model folder {folder} cannot be read", error.strerror or str(error),
                        "check its permissions") from error
    models = [name for name in names if name.endswith(".gguf") and not name.startswith("mmproj")
              and not _LATER_PART.search(name)]
    if len(models) != 1:
        raise BadRecipe(f"{folder} has {len(models)} GGUF models", ", ".join(models[:5]), "name the file in model_path")
    return folder / models[0]
