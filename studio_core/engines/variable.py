"""What is wrong with the variables that a recipe gives its engine, known before the start."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from studio_core.engines.catalog import Catalog
from studio_core.engines.folder import is_local
from studio_core.engines.problem import Problem
from studio_core.models import facts
from studio_core.recipes.recipe import Recipe

# Set by Studio after the recipe's own, which are lost.
OURS: Mapping[str, str] = {
    "STUDIO_INSTANCE": "Studio knows its engines' processes by it", "VLLM_API_KEY": "each start gets a key of its own",
    "LLAMA_API_KEY": "each start gets a key of its own", "CUDA_DEVICE_ORDER": "GPUs count in the order of the PCI bus here",
}
# A folder, or several with colons between.
FOLDERS = frozenset({"HF_HOME", "HF_HUB_CACHE", "CUDA_HOME", "LD_LIBRARY_PATH", "PYTHONPATH", "TMPDIR"})
# Of these every engine knows its own; a name that it does not know is a slip.
PREFIXES: Mapping[str, str] = {"vllm": "VLLM_"}
_SECRET = re.compile(r"KEY|TOKEN|SECRET|PASSW", re.IGNORECASE)
_ON = frozenset({"1", "on", "yes", "true"})


def is_secret(name: str) -> bool:
    """Whether the value of a variable of this name is not for everybody to see."""
    return _SECRET.search(name) is not None


def problems(recipe: Recipe, taken: Catalog | None = None) -> Iterator[Problem]:
    """`taken`: what the engine says of itself, with the variables that it reads. Looks at files: call it in a thread."""
    for name, value in recipe.env_vars.items():
        field = f"env_vars.{name}"
        if not name or "=" in name or "\0" in name + value:
            yield Problem(field, "no program can be given such a variable", "use letters, digits and underscores, and no NUL")
        elif name in OURS:
            yield Problem(field, f"Studio sets {name} itself", f"{OURS[name]}; remove it", severe=False)
        elif name == "CUDA_VISIBLE_DEVICES":
            lost = "the field gpus decides" if recipe.gpus is not None else "Studio does not know which GPUs it takes"
            yield Problem(field, lost, "use the recipe's field gpus instead", severe=False)
        elif name in FOLDERS:
            yield from _folders(field, value)
        elif taken is not None:
            yield from _unknown(recipe, field, name, taken)
    yield from _offline(recipe)


def _folders(field: str, value: str) -> Iterator[Problem]:
    for one in filter(None, value.split(":")):
        if not Path(one).is_dir():
            yield Problem(field, f"{one} is not there", "correct it; a ~ or a $ is not filled in", severe=False)


def _unknown(recipe: Recipe, field: str, name: str, taken: Catalog) -> Iterator[Problem]:
    prefix = PREFIXES.get(taken.engine)
    if prefix is None or not taken.variables or not name.startswith(prefix) or name in taken.variables:
        return
    near = difflib.get_close_matches(name, sorted(taken.variables), 1, 0.6)
    hint = f"did you mean {near[0]}?" if near else "remove it"
    yield Problem(field, f"{taken.label} reads no variable {name}", hint, severe=False)


def _offline(recipe: Recipe) -> Iterator[Problem]:
    if recipe.env_vars.get("HF_HUB_OFFLINE", "").lower() not in _ON or is_local(recipe.model_path):
        return
    found = facts.read(recipe.model_path, "", {**os.environ, **recipe.env_vars})
    if not found.architectures and not found.model_type:
        text = f"{recipe.model_path} is not in the cache, and the variable forbids to download it"
        yield Problem("env_vars.HF_HUB_OFFLINE", text, "download it first, or remove the variable", severe=False)
