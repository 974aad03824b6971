"""SGLang: `sglang serve`, or the module form. Its key is in a configuration file: its flag would show it to every user."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain

import yaml

from studio_core.engines import adapter, catalog, container, folder, node, runtime, sglang_table, thinking
from studio_core.engines.argument import Option, arguments
from studio_core.engines.engine import Bench, Command, stand_in
from studio_core.engines.field import Field, options
from studio_core.engines.package import Package
from studio_core.engines.parser import Choices
from studio_core.engines.problem import Problem, insist
from studio_core.recipes.recipe import Recipe
from studio_core.settings import Settings

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
)
PACKAGE = Package(
    "sglang", "SGLang", "sglang.launch_server", ("python3", "-m", "sglang.launch_server"),
    "name its interpreter in the setting sglang_python, or in the recipe's python_path", sglang_table.OWNED, FIELDS,
)


class Sglang:
    """SGLang 0.5 or later."""

    name = "sglang"
    milestones = sglang_table.MILESTONES
    signatures = sglang_table.SIGNATURES
    series: Mapping[str, str] = sglang_table.SERIES
    probes = sglang_table.PROBES

    def check(self, recipe: Recipe, settings: Settings) -> None:
        insist(PACKAGE.settled(recipe, lambda: self.problems(recipe, settings), settings))

    def problems(self, recipe: Recipe, settings: Settings, ask: bool = False) -> Iterator[Problem]:
        if runtime.contained(recipe):
            yield from container.problems(recipe, self.name, settings)
        else:
            yield from adapter.no_scale(recipe, PACKAGE.title)
        yield from PACKAGE.problems(
            recipe, lambda: PACKAGE.program(recipe, settings), ask,
            lambda parsers: own(recipe, stand_in(settings), parsers),
        )

    def command(self, recipe: Recipe, bench: Bench) -> Command:
        found = PACKAGE.program(recipe, bench.settings)
        taken = PACKAGE.flags(found)
        words = arguments(own(recipe, bench, PACKAGE.parsers(recipe, found, taken)), thinking.extra(recipe, taken), taken)
        config = {CONFIG: yaml.safe_dump({"api-key": bench.api_key})}
        argv = (*found.argv, "--model-path", folder.place(recipe.model_path), "--config", str(bench.folder / CONFIG), *words)
        return Command(argv, {}, str(bench.folder), config, found.origin)

    def nodes(self, recipe: Recipe) -> Sequence[node.Line]:
        """The same command with another rank; only the head serves HTTP."""
        words = arguments([*options(recipe, FIELDS), *everywhere(recipe)], thinking.extra(recipe), catalog.shipped(self.name))
        same = ("sglang", "serve", "--model-path", recipe.model_path, *words)
        return [
            node.Line(host, (*same, *chain(*_ranked(recipe, rank))), recipe.env_vars)
            for rank, host in enumerate(recipe.nodes) if rank
        ]


def own(recipe: Recipe, bench: Bench, parsers: Choices) -> list[Option]:
    """Everything that the recipe's own fields mean."""
    words: list[Option] = [("--host", bench.host), ("--port", str(bench.port)), ("--served-model-name", recipe.public_names[0])]
    words += options(recipe, FIELDS)
    chosen = (("--tool-call-parser", parsers.tool), ("--reasoning-parser", parsers.reasoning))
    words += [(flag, one.name) for flag, one in chosen if one.name]
    words.append(("--enable-metrics",))
    return [*words, *everywhere(recipe), *(_ranked(recipe, 0) if len(recipe.nodes) > 1 else ())]


def everywhere(recipe: Recipe) -> list[Option]:
    """What each machine of the recipe is told beside the fields."""
    words = adapter.named(recipe, "--lora-paths")
    if recipe.sleep_level is not None:
        words.append(("--enable-memory-saver",))
    if recipe.sleep_level == 1:
        words.append(("--enable-weights-cpu-backup",))
    return words


def _ranked(recipe: Recipe, rank: int) -> list[Option]:
    address = f"{recipe.nodes[0]}:{DIST_PORT}"
    return [("--nnodes", str(len(recipe.nodes))), ("--node-rank", str(rank)), ("--dist-init-addr", address)]
