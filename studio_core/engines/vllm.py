"""vLLM: `vllm serve`, or the module form of an interpreter without the console script. Its key goes through VLLM_API_KEY."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain

from studio_core.engines import adapter, catalog, container, folder, node, runtime, thinking, vllm_table
from studio_core.engines.argument import Option, arguments, key_of
from studio_core.engines.engine import Bench, Command, stand_in
from studio_core.engines.field import Field, options
from studio_core.engines.package import Package
from studio_core.engines.parser import Choices
from studio_core.engines.problem import Problem, insist
from studio_core.errors import BadRecipe
from studio_core.recipes.recipe import Recipe
from studio_core.settings import Settings

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
PACKAGE = Package(
    "vllm", "vLLM", "vllm.entrypoints.openai.api_server", ("vllm", "serve"),
    "install one: studio engines install vllm; or name an interpreter in python_path", vllm_table.OWNED, FIELDS,
)
# Mixtures of experts whose experts are spread over the tensor-parallel GPUs unless the recipe says otherwise.
_EXPERTS = re.compile(r"minimax.?m[-_]?2(?!\d)|qwen3\.5|qwen3-3\.5|qwen3[-_]235b|qwen.*262", re.IGNORECASE)


class Vllm:
    """vLLM 0.10 or later."""

    name = "vllm"
    milestones = vllm_table.MILESTONES
    signatures = vllm_table.SIGNATURES
    series: Mapping[str, str] = vllm_table.SERIES
    probes = vllm_table.PROBES

    def check(self, recipe: Recipe, settings: Settings) -> None:
        insist(PACKAGE.settled(recipe, lambda: self.problems(recipe, settings), settings))

    def problems(self, recipe: Recipe, settings: Settings, ask: bool = False) -> Iterator[Problem]:
        if runtime.contained(recipe):
            yield from container.problems(recipe, self.name, settings)
        else:
            yield from adapter.no_scale(recipe, PACKAGE.title)
        yield from PACKAGE.problems(
            recipe, lambda: PACKAGE.program(recipe, settings), ask, lambda parsers: own(recipe, stand_in(settings), parsers)
        )
        yield from _without_ray(recipe, settings)

    def command(self, recipe: Recipe, bench: Bench) -> Command:
        """One model, one port. vLLM's own usage reports to its makers are off: nobody was asked."""
        found = PACKAGE.program(recipe, bench.settings)
        taken = PACKAGE.flags(found)
        words = arguments(own(recipe, bench, PACKAGE.parsers(recipe, found, taken)), thinking.extra(recipe, taken), taken)
        env = {"VLLM_API_KEY": bench.api_key, "VLLM_NO_USAGE_STATS": "1", "FLASHINFER_DISABLE_VERSION_CHECK": "1"}
        if recipe.sleep_level is not None:
            env["VLLM_SERVER_DEV_MODE"] = "1"
        if "--enable-lora" in words:
            env["VLLM_ALLOW_RUNTIME_LORA_UPDATING"] = "1"
        model = folder.place(recipe.model_path)
        argv = (*found.argv, *(("--model", model) if found.module else (model,)), *words)
        return Command(argv, env, str(bench.folder), origin=found.origin)

    def nodes(self, recipe: Recipe) -> Sequence[node.Line]:
        """What a person runs on the other machines: Ray's workers, or vLLM itself without its HTTP server."""
        if over_ray(recipe):
            return node.ray(recipe.nodes, recipe.env_vars)
        words = arguments([*options(recipe, FIELDS), *everywhere(recipe)], thinking.extra(recipe), catalog.shipped(self.name))
        same = ("vllm", "serve", recipe.model_path, *words)
        return [
            node.Line(host, (*same, *chain(*_ranked(recipe, rank)), "--headless"), recipe.env_vars)
            for rank, host in enumerate(recipe.nodes) if rank
        ]


def own(recipe: Recipe, bench: Bench, parsers: Choices) -> list[Option]:
    """Everything that the recipe's own fields mean."""
    words: list[Option] = [("--host", bench.host), ("--port", str(bench.port)), ("--served-model-name", recipe.public_names[0])]
    words += options(recipe, FIELDS)
    words += [*_parsers(parsers), *everywhere(recipe)]
    if len(recipe.nodes) > 1 and not over_ray(recipe):
        words += _ranked(recipe, 0)
    return words


def over_ray(recipe: Recipe) -> bool:
    """Whether its machines are a Ray cluster, and not vLLM's own."""
    key = key_of(recipe.extra_args, "--distributed-executor-backend", catalog.shipped("vllm"))
    return key is not None and recipe.extra_args[key] == "ray"


def _without_ray(recipe: Recipe, settings: Settings) -> Iterator[Problem]:
    """vLLM does not bring Ray along."""
    with contextlib.suppress(BadRecipe):
        python = PACKAGE.program(recipe, settings).python if over_ray(recipe) and not runtime.contained(recipe) else None
        if python is not None and not runtime.version_in(python, "ray"):
            hint = f"{python} -m pip install 'ray[cgraph]', on every machine"
            yield Problem("extra_args.distributed_executor_backend", "Ray is not in vLLM's environment", hint, severe=False)


def everywhere(recipe: Recipe) -> list[Option]:
    """What each machine of the recipe is told beside the fields: the processes of one engine must agree on it."""
    words: list[Option] = []
    if recipe.tensor_parallel_size > 1 and _EXPERTS.search(recipe.model_path):
        words.append(("--enable-expert-parallel",))
    words += adapter.named(recipe, "--lora-modules")
    if recipe.sleep_level is not None:
        words.append(("--enable-sleep-mode",))
    return words


def _parsers(parsers: Choices) -> list[Option]:
    """A tool parser alone does nothing: vLLM wants to be told twice."""
    words: list[Option] = []
    if parsers.tool.name:
        words += [("--tool-call-parser", parsers.tool.name), ("--enable-auto-tool-choice",)]
    if parsers.reasoning.name:
        words.append(("--reasoning-parser", parsers.reasoning.name))
    return words


def _ranked(recipe: Recipe, rank: int) -> list[Option]:
    return [("--nnodes", str(len(recipe.nodes))), ("--node-rank", str(rank)), ("--master-addr", recipe.nodes[0])]
