"""vLLM: `vllm serve`, or the module form of an interpreter without the console script. Its key goes through VLLM_API_KEY."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path

from studio_core.engines import catalog, folder, inquiry, machine, node, runtime, thinking, vllm_table
from studio_core.engines.argument import Option, arguments
from studio_core.engines.catalog import Catalog
from studio_core.engines.engine import Bench, Command
from studio_core.engines.field import Field, options
from studio_core.engines.problem import Problem, examine, insist
from studio_core.engines.runtime import Program
from studio_core.errors import BadRecipe
from studio_core.recipes.recipe import Recipe
from studio_core.settings import Settings

MODULE = "vllm.entrypoints.openai.api_server"
FIELDS = (
    Field("tensor_parallel_size", "--tensor-parallel-size", (1,)),
    Field("pipeline_parallel_size", "--pipeline-parallel-size", (1,)),
    Field("max_model_len", "--max-model-len"),
    Field("gpu_memory_utilization", "--gpu-memory-utilization"),
    Field("max_num_seqs", "--max-num-seqs"),
    Field("kv_cache_dtype", "--kv-cache-dtype", ("auto",)),
    Field("trust_remote_code", "--trust-remote-code"),
    Field("quantization", "--quantization"),
    Field("dtype", "--dtype"),
)
# Mixtures of experts whose experts are spread over the tensor-parallel GPUs unless the recipe says otherwise.
_EXPERTS = re.compile(r"minimax.?m2|qwen3\.5|qwen3-3\.5|qwen3[-_]235b|qwen.*262", re.IGNORECASE)


class Vllm:
    """vLLM 0.10 or later."""

    name = "vllm"
    milestones = vllm_table.MILESTONES
    signatures = vllm_table.SIGNATURES
    series: Mapping[str, str] = vllm_table.SERIES
    probes = vllm_table.PROBES

    def check(self, recipe: Recipe, settings: Settings) -> None:
        insist(self.problems(recipe, settings))

    def problems(self, recipe: Recipe, settings: Settings, ask: bool = False) -> Iterator[Problem]:
        try:
            found = program(recipe)
        except BadRecipe as error:
            yield Problem("runtime", str(error), error.hint)
            return
        if not runtime.contained(recipe):
            yield from folder.problems(recipe.model_path)
            yield from machine.problems(recipe)
        yield from examine(thinking.extra(recipe), flags(found, ask), vllm_table.OWNED)

    def command(self, recipe: Recipe, bench: Bench) -> Command:
        """One model, one port. vLLM's own usage reports to its makers are off: nobody was asked."""
        found = program(recipe)
        words = arguments(own(recipe, bench), thinking.extra(recipe), flags(found, ask=False))
        env = {"VLLM_API_KEY": bench.api_key, "VLLM_NO_USAGE_STATS": "1", "FLASHINFER_DISABLE_VERSION_CHECK": "1"}
        if recipe.sleep_level is not None:
            env["VLLM_SERVER_DEV_MODE"] = "1"
        model = folder.place(recipe.model_path)
        return Command((*found.argv, *(("--model", model) if found.module else (model,)), *words), env, str(bench.folder))

    def nodes(self, recipe: Recipe) -> Sequence[node.Line]:
        """What a person runs on the other machines: Ray's workers, or vLLM itself without its HTTP server."""
        found = program(recipe)
        if recipe.extra_args.get("distributed_executor_backend") == "ray":
            return node.ray(recipe.nodes)
        words = arguments(options(recipe, FIELDS), thinking.extra(recipe), flags(found, ask=False))
        return [
            node.Line(host, ("vllm", "serve", recipe.model_path, *words, *chain(*_ranked(recipe, rank)), "--headless"))
            for rank, host in enumerate(recipe.nodes) if rank
        ]


def own(recipe: Recipe, bench: Bench) -> list[Option]:
    """Everything that the recipe's own fields mean."""
    words: list[Option] = [("--host", bench.host), ("--port", str(bench.port)), ("--served-model-name", recipe.public_names[0])]
    words += options(recipe, FIELDS)
    words += _parsers(recipe)
    if recipe.tensor_parallel_size > 1 and _EXPERTS.search(recipe.model_path):
        words.append(("--enable-expert-parallel",))
    if recipe.lora_adapters:
        words += [("--enable-lora",), ("--lora-modules", *(f"{one.name}={one.path}" for one in recipe.lora_adapters))]
    if recipe.sleep_level is not None:
        words.append(("--enable-sleep-mode",))
    if len(recipe.nodes) > 1 and recipe.extra_args.get("distributed_executor_backend") != "ray":
        words += _ranked(recipe, 0)
    return words


def _parsers(recipe: Recipe) -> list[Option]:
    """A tool parser alone does nothing: vLLM wants to be told twice."""
    words: list[Option] = []
    if recipe.tool_call_parser and recipe.tool_call_parser != "none":
        words += [("--tool-call-parser", recipe.tool_call_parser), ("--enable-auto-tool-choice",)]
    if recipe.reasoning_parser and recipe.reasoning_parser != "none":
        words.append(("--reasoning-parser", recipe.reasoning_parser))
    return words


def _ranked(recipe: Recipe, rank: int) -> list[Option]:
    return [("--nnodes", str(len(recipe.nodes))), ("--node-rank", str(rank)), ("--master-addr", recipe.nodes[0])]


def flags(found: Program, ask: bool) -> Catalog:
    """What the installed vLLM takes: as it was last asked, asked now, or else the shipped table of a known version."""
    if found.python is not None:
        known = inquiry.package(found.python, "vllm") if ask else inquiry.kept(found.python, "vllm")
        if known is not None:
            return known
    return catalog.shipped("vllm")


def program(recipe: Recipe) -> Program:
    """How vLLM is started for this recipe.

    Raises:
        BadRecipe: it is nowhere, or not where the recipe says.
    """
    if runtime.contained(recipe):
        return Program(("vllm", "serve"))
    named = runtime.binary(recipe)
    if named is not None:
        path = runtime.found(named, "binary")
        return Program((str(path), "serve"), runtime.behind(path))
    python = runtime.interpreter(recipe, "vllm")
    if python is not None:
        script = runtime.sibling(python, "vllm")
        argv = (str(script), "serve") if script else (str(python), "-m", MODULE)
        return Program(argv, python, module=script is None)
    on_path = shutil.which("vllm")
    if on_path is None:
        raise BadRecipe("no vLLM was found", "neither in the recipe, nor a managed one, nor on PATH",
                        "install one: studio engines install vllm; or name an interpreter in python_path")
    return Program((on_path, "serve"), runtime.behind(Path(on_path)))
