"""Changes of a recipe that a cause calls for: rows of the engines' tables name them, a failure carries the finished change.

Each maker returns a `Fix`: from the recipe as it was started and the named groups of the line that told the cause to a
change in words and as a merge patch; None where there is nothing to change. A change that would not give a valid
recipe, or that changes nothing, is dropped by `change`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from studio_core.engines.argument import key_of
from studio_core.engines.catalog import Catalog, canonical
from studio_core.errors import BadRecipe
from studio_core.recipes.patch import difference, merged
from studio_core.recipes.recipe import Recipe, parse

# A recipe's field is not always named after the flag.
FIELD_OF = {
    "context_length": "max_model_len", "ctx_size": "max_model_len", "max_seq_len": "max_model_len",
    "mem_fraction_static": "gpu_memory_utilization", "device_memory_utilization": "gpu_memory_utilization",
    "max_running_requests": "max_num_seqs", "parallel": "max_num_seqs", "tp_size": "tensor_parallel_size",
    "pp_size": "pipeline_parallel_size",
}
_FLAG = re.compile(r"(?<!\S)--?[A-Za-z][\w.-]*")
_SUCCESSOR = re.compile(r"use (\w+)\Z")
# How alike a flag must be to be written in place of another: a typing error, not a guess.
ALIKE = 0.8
# What the system and the desktop hold of a GPU beside the engine, in GiB.
SPARE_GIB = 0.5


@dataclass(frozen=True, slots=True)
class Case:
    """What a remedy is made for: the recipe's stored fields, the line's named groups, and the engine's flags."""

    recipe: Mapping[str, Any]
    words: Mapping[str, str]
    catalog: Catalog


@dataclass(frozen=True, slots=True)
class Change:
    """In words what is done, and the merge patch that does it."""

    title: str
    patch: dict[str, Any]


Fix = Callable[[Case], Change | None]


def change(fix: Fix | None, case: Case) -> Change | None:
    """The change of a fix, if it changes something and the recipe stays a valid one."""
    found = fix(case) if fix is not None and case.recipe else None
    if found is None or not list(difference(case.recipe, found.patch)):
        return None
    try:
        parse(merged(case.recipe, found.patch))
    except BadRecipe:
        return None
    return found


def put(title: str, **values: Any) -> Fix:
    """Set fields. Text may use the line's groups, `"{fit}"`; it becomes a number where it is one. A missing group: no fix."""
    def fix(case: Case) -> Change | None:
        patch = {name: _filled(value, case.words) for name, value in values.items()}
        if "" in patch.values():
            return None
        return Change(title.format_map(case.words), patch)

    return fix


def _filled(value: Any, words: Mapping[str, str]) -> Any:
    if not isinstance(value, str) or "{" not in value:
        return value
    text = value.format_map(words)
    plain = text.replace(",", "")
    return int(plain) if plain.isdigit() else text


def environment(title: str, **values: str | None) -> Fix:
    """Set variables of the engine's environment; None removes one that the recipe sets."""
    return lambda case: Change(title, {"env_vars": dict(values)})


def first(*fixes: Fix) -> Fix:
    """The first of several that changes something."""
    return lambda case: next((found for fix in fixes if (found := change(fix, case)) is not None), None)


def step(field: str, by: float, limit: float) -> Fix:
    """Move a number by `by`, not beyond `limit`."""
    def fix(case: Case) -> Change | None:
        value = round(case.recipe[field] + by, 2)
        value = min(value, limit) if by > 0 else max(value, limit)
        if (value - case.recipe[field]) * by <= 0:
            return None
        return Change(f"{'raise' if by > 0 else 'lower'} {field} to {value:g}", {field: value})

    return fix


def halve(field: str, least: int) -> Fix:
    """Halve a whole number that is above `least`."""
    def fix(case: Case) -> Change | None:
        value = max(least, case.recipe[field] // 2)
        return Change(f"lower {field} to {value}", {field: value}) if value < case.recipe[field] else None

    return fix


def divisor(field: str, of: str) -> Fix:
    """The largest number not above the field that divides the group `of`."""
    def fix(case: Case) -> Change | None:
        number = int(case.words[of])
        value = next(size for size in range(min(case.recipe[field], number), 0, -1) if number % size == 0)
        return Change(f"set {field} to {value}, which divides {number}", {field: value})

    return fix


def share_of_free(field: str) -> Fix:
    """What is free of a GPU (groups `free` and `total`, in GiB) as a share, a little less."""
    def fix(case: Case) -> Change | None:
        value = int((float(case.words["free"]) - SPARE_GIB) / float(case.words["total"]) * 100) / 100
        return Change(f"lower {field} to {value:g}, what is free", {field: value}) if 0 < value < case.recipe[field] else None

    return fix


def cpu_cache(case: Case) -> Change | None:
    """vLLM on a CPU: as many whole GiB of KV cache as fit into nine tenths of what is free, where it was asked for more."""
    fits = int(float(case.words["free"]) * 0.9)
    key = held(case, "--kv-cache-memory-bytes")
    if fits < 1:
        return None
    if key is not None:
        return Change(f"reserve {fits} GiB for the KV cache", {"extra_args": {key: fits * 1024**3}})
    return Change(f"reserve {fits} GiB for the KV cache", {"env_vars": {"VLLM_CPU_KVCACHE_SPACE": str(fits)}})


# Flags and values.

def held(case: Case, flag: str) -> str | None:
    """The key of `extra_args` that stands for a flag."""
    return key_of(case.recipe.get("extra_args") or {}, flag, case.catalog)


def unknown_flags(case: Case) -> Change | None:
    """Every flag that the line names (group `flags` or `flag`): the nearest known one in its place, or away with it."""
    extra, patch, told = case.recipe.get("extra_args") or {}, dict[str, Any](), list[str]()
    for flag in _FLAG.findall(case.words.get("flags") or case.words["flag"]):
        key = held(case, flag)
        if key is None:
            continue
        instead = _instead(case, flag)
        patch.setdefault("extra_args", {})[key] = None
        told.append(f"write {instead} in place of {key}" if instead else f"remove {key}")
        if instead is not None:
            place = patch if instead in Recipe.model_fields else patch["extra_args"]
            place[instead] = extra[key]
    return Change(" and ".join(told), patch) if patch else None


def _instead(case: Case, flag: str) -> str | None:
    """The field or key to write for a flag that is gone or misspelled."""
    advice = case.catalog.successor(flag)
    if advice is not None:
        match = _SUCCESSOR.match(advice)
        return match[1] if match else None
    # A flag that our table knows and the engine does not is of another version: there is nothing to correct.
    near = case.catalog.nearest(flag) if case.catalog.find(flag) is None else None
    if near is not None and difflib.SequenceMatcher(None, canonical(flag).lstrip("-"), near.lstrip("-")).ratio() < ALIKE:
        near = None
    name = near.lstrip("-").replace("-", "_") if near else None
    name = FIELD_OF.get(name, name) if name else None
    # A key that is set already keeps its own value.
    return None if name is not None and name in (case.recipe.get("extra_args") or {}) else name


def bad_value(case: Case) -> Change | None:
    """The nearest of the choices (group `names`) in place of the wrong value, or the engine's own default."""
    flag = case.words["flag"]
    flag = flag if flag.startswith("-") else f"--{flag.replace('_', '-')}"
    near = nearest(case.words.get("value", ""), case.words.get("names", ""))
    title = f"set {flag} to {near}" if near else f"leave {flag} to the engine"
    if (key := held(case, flag)) is not None:
        return Change(title, {"extra_args": {key: near or None}})
    field = flag.lstrip("-").replace("-", "_")
    field = FIELD_OF.get(field, field)
    if field not in Recipe.model_fields:
        return None
    default = Recipe.model_fields[field].get_default(call_default_factory=True)
    return Change(title if near or default is None else f"set {field} to {default}", {field: near or default})


def parser(field: str) -> Fix:
    """A parser by a name near the wrong one, of those that the engine listed; else none."""
    def fix(case: Case) -> Change | None:
        near = nearest(case.words.get("name", ""), case.words.get("names", ""))
        if (key := held(case, f"--{field.replace('_', '-')}")) is not None:
            return Change(f"set {key} to {near}" if near else f"remove {key}", {"extra_args": {key: near or None}})
        return Change(f"set {field} to {near or 'none'}", {field: near or "none"})

    return fix


def drop(flag: str) -> Fix:
    """Take a flag out of `extra_args`."""
    def fix(case: Case) -> Change | None:
        key = held(case, flag)
        return Change(f"remove {key}", {"extra_args": {key: None}}) if key is not None else None

    return fix


def nearest(wrong: str, names: str) -> str:
    """Of the names in a list as engines print it, the one most like the wrong one; empty when none is."""
    known = re.findall(r"[\w.+-]+", names)
    return next(iter(difflib.get_close_matches(wrong, known, 1, 0.7)), "")
