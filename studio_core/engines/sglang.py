"""SGLang: `sglang serve`, or the module form. Its key is in a configuration file: its flag would show it to every user."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path

import yaml

from studio_core.engines import catalog, folder, inquiry, machine, node, runtime, sglang_table, thinking
from studio_core.engines.argument import Option, arguments
from studio_core.engines.catalog import Catalog
from studio_core.engines.engine import Bench, Command
from studio_core.engines.field import Field, options
from studio_core.engines.problem import Problem, examine, insist
from studio_core.engines.runtime import Program
from studio_core.errors import BadRecipe
from studio_core.recipes.recipe import Recipe
from studio_core.settings import Settings

MODULE = "sglang.launch_server"
CONFIG = "sglang.yaml"
DIST_PORT = 5000
FIELDS = (
    Field("tensor_parallel_size", "--tensor-parallel-size", (1,)),
    Field("pipeline_parallel_size", "--pipeline-parallel-size", (1,)),
    Field("max_model_len", "--context-length"),
    Field("gpu_memory_utilization", "--mem-fraction-static"),
    Field("max_num_seqs", "--max-running-requests"),
    Field("kv_cache_dtype", "--kv-cache-dtype", ("auto",)),
    Field("trust_remote_code", "--trust-remote-code"),
    Field("quantization", "--quantization"),
    Field("dtype", "--dtype"),
    Field("tool_call_parser", "--tool-call-parser", (None, "none")),
    Field("reasoning_parser", "--reasoning-parser", (None, "none")),
)


class Sglang:
    """SGLang 0.5 or later."""

    name = "sglang"
    milestones = sglang_table.MILESTONES
    signatures = sglang_table.SIGNATURES
    series: Mapping[str, str] = sglang_table.SERIES
    probes = sglang_table.PROBES

    def check(self, recipe: Recipe, settings: Settings) -> None:
        insist(self.problems(recipe, settings))

    def problems(self, recipe: Recipe, settings: Settings, ask: bool = False) -> Iterator[Problem]:
        try:
            found = program(recipe, settings)
        except BadRecipe as error:
            yield Problem("runtime", str(error), error.hint)
            return
        if not runtime.contained(recipe):
            yield from folder.problems(recipe.model_path)
            yield from machine.problems(recipe)
        yield from examine(thinking.extra(recipe), flags(found, ask), sglang_table.OWNED)

    def command(self, recipe: Recipe, bench: Bench) -> Command:
        found = program(recipe, bench.settings)
        words = arguments(own(recipe, bench), thinking.extra(recipe), flags(found, ask=False))
        config = {CONFIG: yaml.safe_dump({"api-key": bench.api_key})}
        argv = (*found.argv, "--model-path", folder.place(recipe.model_path), "--config", str(bench.folder / CONFIG), *words)
        return Command(argv, {}, str(bench.folder), config)

    def nodes(self, recipe: Recipe) -> Sequence[node.Line]:
        """The same command with another rank; only the head serves HTTP."""
        words = arguments(options(recipe, FIELDS), thinking.extra(recipe), catalog.shipped(self.name))
        return [
            node.Line(host, ("sglang", "serve", "--model-path", recipe.model_path, *words, *chain(*_ranked(recipe, rank))))
            for rank, host in enumerate(recipe.nodes) if rank
        ]


def own(recipe: Recipe, bench: Bench) -> list[Option]:
    """Everything that the recipe's own fields mean."""
    words: list[Option] = [("--host", bench.host), ("--port", str(bench.port)), ("--served-model-name", recipe.public_names[0])]
    words += [*options(recipe, FIELDS), ("--enable-metrics",)]
    if recipe.lora_adapters:
        words += [("--enable-lora",), ("--lora-paths", *(f"{one.name}={one.path}" for one in recipe.lora_adapters))]
    if recipe.sleep_level is not None:
        words.append(("--enable-memory-saver",))
    return [*words, *(_ranked(recipe, 0) if len(recipe.nodes) > 1 else ())]


def _ranked(recipe: Recipe, rank: int) -> list[Option]:
    address = f"{recipe.nodes[0]}:{DIST_PORT}"
    return [("--nnodes", str(len(recipe.nodes))), ("--node-rank", str(rank)), ("--dist-init-addr", address)]


def flags(found: Program, ask: bool) -> Catalog:
    """What the installed SGLang takes: as it was last asked, asked now, or else the shipped table of a known version."""
    if found.python is not None:
        known = inquiry.package(found.python, "sglang") if ask else inquiry.kept(found.python, "sglang")
        if known is not None:
            return known
    return catalog.shipped("sglang")


def program(recipe: Recipe, settings: Settings) -> Program:
    """How SGLang is started for this recipe. Raises BadRecipe when it is nowhere, or not where the recipe says."""
    if runtime.contained(recipe):
        return Program(("python3", "-m", MODULE))
    named = runtime.binary(recipe)
    if named is not None:
        path = runtime.found(named, "binary")
        return Program((str(path), "serve"), runtime.behind(path))
    python = runtime.interpreter(recipe, "sglang", settings.sglang_python)
    if python is not None:
        script = runtime.sibling(python, "sglang")
        return Program((str(script), "serve") if script else (str(python), "-m", MODULE), python)
    on_path = shutil.which("sglang")
    if on_path is None:
        raise BadRecipe("no SGLang was found", "neither in the recipe nor the settings, nor a managed one, nor on PATH",
                        "name its interpreter in the setting sglang_python, or in the recipe's python_path")
    return Program((on_path, "serve"), runtime.behind(Path(on_path)))
