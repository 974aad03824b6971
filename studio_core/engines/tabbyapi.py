"""TabbyAPI: a checkout's main.py with a folder of its own, in which Studio writes config.yml and api_tokens.yml (0600)."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from studio_core.engines import adapter, catalog, container, inquiry, machine, node, parser, runtime, tabby_table, unheard, variable
from studio_core.engines.catalog import Catalog, Flag
from studio_core.engines.engine import Bench, Command, stand_in
from studio_core.engines.problem import Problem, examine, insist, valued
from studio_core.errors import BadRecipe
from studio_core.recipes.inner import is_inner
from studio_core.recipes.recipe import Adapter, Recipe
from studio_core.settings import Settings

# In its image; it reads its files from the folder in which it is started, which is the instance's.
IMAGE = ("python3", "/app/main.py")
# The interpreters of a checkout that was installed by its own start script.
INTERPRETERS = ("venv/bin/python", ".venv/bin/python")
# vLLM Studio's recipes say this when nothing was chosen.
CACHE_MODES = {"fp16": "FP16", "q8": "Q8", "q6": "Q6", "q4": "Q4"}
# Option of the configuration → the recipe's field that it comes from.
FIELDS = {"max_seq_len": "max_model_len", "cache_mode": "kv_cache_dtype", "tensor_parallel": "tensor_parallel_size",
          "tool_format": "tool_call_parser", "vision": "vision", "reasoning": "reasoning_parser"}
# How long a launch waits for the checkout's word where only the shipped table speaks against the recipe.
DOUBT_S = 20.0
# A cache is made of pages of this many tokens.
PAGE = 256
# Wide enough that its console does not wrap a line of log.
COLUMNS = "500"


class TabbyApi:
    """TabbyAPI of 2026, with ExLlamaV3. It moves to the next port by itself when its own is taken: ours is checked before."""

    name = "tabbyapi"
    milestones = tabby_table.MILESTONES
    signatures = tabby_table.SIGNATURES
    series: Mapping[str, str] = tabby_table.SERIES
    probes = tabby_table.PROBES

    def check(self, recipe: Recipe, settings: Settings) -> None:
        found = list(self.problems(recipe, settings))
        place = None if runtime.contained(recipe) or not any(one.doubtful for one in found) else checkout(recipe, settings)
        if place is not None and inquiry.learn(place[0], self.name, DOUBT_S, place[1]):
            found = list(self.problems(recipe, settings))
        insist(found)

    def problems(self, recipe: Recipe, settings: Settings, ask: bool = False) -> Iterator[Problem]:
        if runtime.contained(recipe):
            yield from container.problems(recipe, self.name, settings)
        try:
            program(recipe, settings)
        except BadRecipe as error:
            yield Problem("runtime", str(error), error.hint)
            return
        path = Path(recipe.model_path).expanduser()
        if not (path / "config.json").is_file():
            what = "has no config.json" if path.is_dir() else "is not there"
            yield Problem("model_path", f"the model folder {path} {what}", "TabbyAPI loads folders; download the model first")
        if len(recipe.nodes) > 1:
            yield Problem("nodes", "TabbyAPI runs on one machine", "remove nodes, or choose another engine")
        yield from machine.problems(recipe)
        taken = options(recipe, settings, ask)
        yield from examine(recipe.extra_args, taken, tabby_table.OWNED)
        yield from _own_problems(recipe, settings, taken)
        yield from _lora_problems(recipe)
        yield from unheard.problems(recipe, self.name, "TabbyAPI")
        yield from variable.problems(recipe)

    def command(self, recipe: Recipe, bench: Bench) -> Command:
        files = {
            "config.yml": yaml.safe_dump(configuration(recipe, bench, options(recipe, bench.settings)), sort_keys=False),
            "api_tokens.yml": yaml.safe_dump({"api_key": bench.api_key, "admin_key": bench.api_key}),
        }
        return Command(program(recipe, bench.settings), {"COLUMNS": COLUMNS}, str(bench.folder), files, _origin(recipe))

    def nodes(self, recipe: Recipe) -> Sequence[node.Line]:
        return ()


def checkout(recipe: Recipe, settings: Settings) -> tuple[Path, Path] | None:
    """Interpreter and folder of the one that would run; None where there is none."""
    try:
        python, main = program(recipe, settings)
    except BadRecipe:
        return None
    return Path(python), Path(main).parent


def options(recipe: Recipe, settings: Settings, ask: bool = False) -> Catalog:
    """What the checkout's own configuration has, as it was asked; else the shipped table of a known version."""
    place = None if runtime.contained(recipe) else checkout(recipe, settings)
    if place is not None:
        if ask:
            inquiry.learn(place[0], TabbyApi.name, home=place[1])
        if (known := inquiry.kept(place[0], TabbyApi.name, place[1])) is not None:
            return known
    return catalog.shipped(TabbyApi.name)


def _own_problems(recipe: Recipe, settings: Settings, taken: Catalog) -> Iterator[Problem]:
    """The options that come from the recipe's fields."""
    bare = recipe.model_copy(update={"extra_args": {}})
    said = {(option.section, option.key) for key in recipe.extra_args if (option := _option(key, taken)) is not None}
    for section, values in configuration(bare, stand_in(settings)).items():
        for key, value in values.items():
            if key in FIELDS and (section, key) not in said and (flag := _option(f"{section}.{key}", taken)) is not None:
                yield from valued(FIELDS[key], flag, value, taken)


def configuration(recipe: Recipe, bench: Bench, taken: Catalog | None = None) -> dict[str, dict[str, Any]]:
    """The sections of config.yml; `extra_args` win, by an option's name or by `section.name`; null is Tabby's default."""
    path = Path(recipe.model_path).expanduser().absolute()
    found: dict[str, dict[str, Any]] = {
        "network": {"host": bench.host, "port": bench.port, "disable_auth": False},
        "model": {
            "model_dir": str(path.parent), "model_name": path.name, "max_seq_len": recipe.max_model_len,
            "cache_size": -(-recipe.max_model_len // PAGE) * PAGE,
        },
    }
    if recipe.kv_cache_dtype != "auto":
        found["model"]["cache_mode"] = CACHE_MODES.get(recipe.kv_cache_dtype.lower(), recipe.kv_cache_dtype)
    if recipe.tensor_parallel_size > 1:
        found["model"]["tensor_parallel"] = True
    found["model"] |= _parsers(recipe)
    if recipe.vision is not None:
        found["model"]["vision"] = recipe.vision
    if recipe.lora_adapters:
        found["lora"] = {"lora_dir": str(Path(adapter.place(recipe.lora_adapters[0].path)).parent),
                         "loras": [_lora(one) for one in recipe.lora_adapters]}
    for key, value in recipe.extra_args.items():
        option = _option(key, taken or catalog.shipped(TabbyApi.name))
        if option is not None and value is not None:
            found.setdefault(option.section, {})[option.key] = value
        elif option is not None:
            found.get(option.section, {}).pop(option.key, None)
    return found


def _lora(one: Adapter) -> dict[str, Any]:
    return {"name": Path(one.path).name, **({} if one.scale is None else {"scaling": one.scale})}


def _lora_problems(recipe: Recipe) -> Iterator[Problem]:
    """Its ExLlamaV3 backend has no adapters yet: the routes and the section exist, and loading answers a failure."""
    if recipe.lora_adapters:
        text = "TabbyAPI's ExLlamaV3 backend of 2026 loads no adapters"
        yield Problem(adapter.FIELD, text, "take another engine", severe=False)
    if len({str(Path(one.path).parent) for one in recipe.lora_adapters}) > 1:
        yield Problem(adapter.FIELD, "TabbyAPI has one folder for all adapters", "put them into one folder")
    yield from adapter.missing(recipe)


def _parsers(recipe: Recipe) -> dict[str, Any]:
    """The format of tool calls, and the tokens around a thought."""
    choices = parser.of_recipe(recipe, TabbyApi.name)
    found: dict[str, Any] = {"tool_format": choices.tool.name} if choices.tool.name else {}
    if choices.reasoning.tokens is not None:
        start, end = choices.reasoning.tokens
        found |= {"reasoning": True, "reasoning_start_token": start, "reasoning_end_token": end}
    return found


def _option(key: str, taken: Catalog) -> Flag | None:
    """An option of the configuration by `name` or `section.name`."""
    section, dot, name = key.partition(".")
    if is_inner(key):
        return None
    found = taken.find(catalog.canonical(f"--{(name if dot else section).lstrip('-')}"))
    return found if found is not None and (not dot or found.section == section) else None


def _origin(recipe: Recipe) -> str:
    """Who named the checkout."""
    if runtime.contained(recipe):
        return "the image"
    return "the recipe's binary" if runtime.binary(recipe) else "setting tabby_api_dir"


def program(recipe: Recipe, settings: Settings) -> tuple[str, ...]:
    """Interpreter and main.py of the checkout, or of the image.

    Raises:
        BadRecipe: no checkout, or no interpreter for it.
    """
    if runtime.contained(recipe):
        return IMAGE
    place = runtime.binary(recipe) or settings.tabby_api_dir
    if not place:
        raise BadRecipe("no TabbyAPI was found", "neither in the recipe nor in the settings",
                        "set tabby_api_dir to its folder")
    home = Path(place).expanduser().absolute()
    home = home.parent if home.name == "main.py" else home
    if not (home / "main.py").is_file():
        raise BadRecipe(f"{home} is no TabbyAPI", "it has no main.py", "set tabby_api_dir to the folder of its checkout")
    known = runtime.interpreter(recipe, "tabbyapi", settings)
    own = (home / name for name in INTERPRETERS)
    python = known[0] if known else next((path for path in own if os.access(path, os.X_OK)), None)
    if python is None:
        raise BadRecipe("TabbyAPI has no interpreter", f"{home} has no venv", "run its start.sh once, or set python_path")
    return (str(python), str(home / "main.py"))
