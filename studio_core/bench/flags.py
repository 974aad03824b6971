"""Which share of each engine's flags a recipe expresses with type, choices and check, and gives back as it got them.

Each flag of a table is written on a command line with values of its kind. The line becomes a recipe, that a line, that a
recipe again: both recipes must be the same, and the engine must be given the value that the first line had.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from studio_core.bench.figure import Row
from studio_core.engines.catalog import Catalog, Flag
from studio_core.engines.problem import problem
from studio_core.errors import StudioError
from studio_core.importing import secret
from studio_core.importing.field import DROPPED, MODEL, NAMES, key
from studio_core.importing.found import nothing
from studio_core.importing.line import harvest
from studio_core.importing.words import catalog_of, said, tabby_text
from studio_core.importing.written import command
from studio_core.recipes.recipe import Recipe

ENGINES = ("vllm", "sglang", "llamacpp", "tabbyapi")
_START: Mapping[str, str] = {
    "vllm": "vllm serve", "sglang": "sglang serve", "llamacpp": "llama-server", "tabbyapi": "cd /tabby && python main.py",
}
_MODEL: Mapping[str, str] = {
    "vllm": "--model org/m", "sglang": "--model-path org/m", "llamacpp": "-m /m/m.gguf",
    "tabbyapi": "--model-dir /m --model-name m",
}
# What a flag means nothing without.
_WITH: Mapping[str, list[str]] = {"--enable-auto-tool-choice": ["--tool-call-parser", "hermes"]}
_SAMPLES: Mapping[str, tuple[Any, ...]] = {
    "bool": (True, False), "int": (1, 7), "float": (0.25, 0.75), "str": ("word", "a b/c.d"),
    "json": ({"a": 1, "b": ["x y", True]},),
}
# What is wrong for a kind; of text nothing is.
_WRONG: Mapping[str, Any] = {"bool": "perhaps", "int": "many", "float": "much", "choice": "no such choice", "json": "{not json"}


def measure() -> list[Row]:
    """One row per engine."""
    return [_row(engine, catalog_of(engine)) for engine in ENGINES]


def _row(engine: str, catalog: Catalog) -> Row:
    flags = [flag for flag in catalog.flags if not flag.positional]
    ours = [flag for flag in flags if is_ours(engine, flag)]
    rest = [flag for flag in flags if flag not in ours]
    loose = [flag for flag in rest if not is_checked(flag)]
    lost = [flag.name for flag in rest if not returns(engine, flag)]
    good = [flag for flag in rest if flag not in loose and flag.name not in lost]
    note = f"{len(good)} of {len(rest)}; {len(loose)} only pass through; Studio sets {len(ours)} more itself"
    note += f"; lost: {', '.join(lost[:8])}" if lost else ""
    return Row(f"flags: {catalog.label}", 100 * len(good) / len(rest), "%", 100, note, least=True)


def is_ours(engine: str, flag: Flag) -> bool:
    """Whether Studio sets it itself, or it is a secret: no recipe has it."""
    name = key(flag.name)
    return name not in ("port", *MODEL[engine], NAMES.get(engine)) and (name in DROPPED[engine] or secret.flag(name))


def is_checked(flag: Flag) -> bool:
    """Whether its type is known, and a value of another type is found wrong before a start."""
    kind: str = flag.item if flag.kind == "list" else flag.kind
    if kind in _WRONG and kind != "any":
        wrong = _WRONG[kind]
        return bool(problem(flag, [wrong] * (flag.count or 1) if flag.kind == "list" else wrong))
    return kind == "str"


def returns(engine: str, flag: Flag) -> bool:
    """Whether every sample comes back, on every way that the flag can be written."""
    return all(_returns(engine, flag, value) for value in samples(engine, flag))


def samples(engine: str, flag: Flag) -> list[Any]:
    """Values of its kind; false only where the engine can be told so."""
    if flag.kind == "list":
        items = _scalars(flag, flag.item)
        return [(items * 4)[:flag.count or 2]]
    values = _scalars(flag, flag.kind)
    return [value for value in values if value is not False or flag.negation or engine == "tabbyapi"]


def _scalars(flag: Flag, kind: str) -> list[Any]:
    return list(flag.choices) if flag.choices else list(_SAMPLES[kind])


def spelled(engine: str, flag: Flag, value: Any) -> list[str]:
    """The words for one value, as a person would write them."""
    if engine != "tabbyapi" and isinstance(value, bool):
        return [flag.name if value else str(flag.negation)]
    if isinstance(value, list) and flag.style == "comma":
        return [flag.name, ",".join(map(str, value))]
    if isinstance(value, list) and flag.style == "repeat":
        return [word for one in value for word in (flag.name, tabby_text(one))]
    return [flag.name, *map(tabby_text, value)] if isinstance(value, list) else [flag.name, tabby_text(value)]


def _returns(engine: str, flag: Flag, value: Any) -> bool:
    model = "" if key(flag.name) in MODEL[engine][:1] else _MODEL[engine]
    if engine == "tabbyapi" and key(flag.name) in ("model_name", "model_dir"):
        model = ""
    words = [*spelled(engine, flag, value), *_WITH.get(flag.name, [])]
    if engine == "tabbyapi" and not model:
        words += ["--model-name", "m"] if flag.name == "--model-dir" else ["--model-dir", "/m"]
    try:
        first = _read(f"{_START[engine]} {model} {shlex.join(words)}")
        again = _read(command(engine, first))
    except StudioError:
        return False
    return first.stored() == again.stored() and _given(engine, flag, value, again)


def _read(text: str) -> Recipe:
    [found] = harvest(text, nothing).recipes
    return found.recipe()


def _given(engine: str, flag: Flag, value: Any, recipe: Recipe) -> bool:
    """Whether the engine is told this value; its own default may stay unsaid."""
    name = key(flag.name)
    if name in MODEL[engine] or name == "model_dir":
        return str(value).rpartition("/")[2] in recipe.model_path or str(value) in str(recipe.extra_args.get(name))
    if name == NAMES.get(engine):
        return all(one in recipe.public_names for one in (value if isinstance(value, list) else [value]))
    if name == "port":
        return recipe.port == int(value)
    told = said(engine, recipe)
    found = next((one for spelling, one in told.items() if key(spelling) == name), None)
    return _same(found, value) or (found is None and _same(value, flag.default))


def _same(left: Any, right: Any) -> bool:
    if isinstance(left, Sequence) and isinstance(right, list) and not isinstance(left, str):
        return len(left) == len(right) and all(map(_same, left, right))
    return bool(left == right) or str(left) == str(right) or json.dumps(left) == json.dumps(right)
