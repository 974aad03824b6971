"""The models on disk: what lies under the models folder and beside the recipes' models.

A model is a folder with `config.json` or weights, or a lone GGUF file. Fields and bounds are those of vLLM Studio's
`GET /v1/studio/models`; its gaps (nested text_config, quantization_config, GGUF headers) are filled.
"""

from __future__ import annotations

import json
import os
import re
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from studio_core.models import gguf, hub
from studio_core.recipes.recipe import Recipe

DEPTH = 2
MODEL_LIMIT = 1000
# Folders looked into, over all roots: a home directory given by mistake must not take minutes.
FOLDER_LIMIT = 5000
CONFIG_LIMIT = 4 * 1024 * 1024
WEIGHTS = (".safetensors", ".bin", ".gguf")
LENGTH_KEYS = ("max_position_embeddings", "max_seq_len", "seq_length", "n_ctx")
_NAMED = re.compile(r"(?<![a-z0-9])(awq|gptq|gguf|exl[23]|nvfp4|mxfp4|fp8|fp16|bf16|int8|int4|w4a16|w8a16)(?![a-z0-9])")
_NOT_FIRST = re.compile(r"-(?!00001)\d{5}-of-\d{5}\.gguf\Z")


@dataclass(frozen=True, slots=True)
class FoundModel:
    """One model. Sizes in bytes (weight files of the folder itself), `modified_at` in Unix seconds."""

    name: str
    path: str
    size_bytes: int
    modified_at: float
    architecture: str | None
    context_length: int | None
    quantization: str | None
    recipe_ids: list[str]
    has_recipe: bool


@dataclass(frozen=True, slots=True)
class Root:
    """One folder that was searched, and why: `config` (the setting) or `recipe`."""

    path: str
    exists: bool
    sources: list[str]
    recipe_ids: list[str]


def studio_models(models_dir: str, recipes: Sequence[Recipe], environ: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The answer of `GET /v1/studio/models`. Reads the disk: call it in a thread. `environ` says where the hub's cache is."""
    searched = roots(models_dir, recipes)
    found = discover([Path(root.path) for root in searched], recipes)
    return {
        "models": [asdict(model) for model in [*found, *_of_hub(recipes, os.environ if environ is None else environ)]],
        "roots": [asdict(root) for root in searched],
        "configured_models_dir": models_dir,
    }


def _of_hub(recipes: Sequence[Recipe], environ: Mapping[str, str]) -> Iterator[FoundModel]:
    """What a recipe names by its id."""
    for model, snapshot in hub.ids(environ):
        users = sorted(one.id for one in recipes if one.model_path == model)
        yield replace(_describe(snapshot, {}), name=model, path=model, recipe_ids=users, has_recipe=bool(users))


def roots(models_dir: str, recipes: Sequence[Recipe]) -> list[Root]:
    """The folders to search: the setting's, then the parents of the recipes' local models."""
    sources: dict[Path, list[str]] = {Path(models_dir).expanduser(): []}
    for recipe in recipes:
        path = Path(recipe.model_path).expanduser()
        if path.is_absolute() and path.parent != path:
            sources.setdefault(path.parent, []).append(recipe.id)
    configured = next(iter(sources))
    return [Root(str(path), path.is_dir(), ["config"] * (path == configured) + ["recipe"] * bool(ids), ids)
            for path, ids in sources.items()]


def discover(searched: Sequence[Path], recipes: Sequence[Recipe]) -> list[FoundModel]:
    """Every model under these folders once, by name."""
    used: dict[str, list[str]] = {}
    for recipe in recipes:
        used.setdefault(os.path.realpath(os.path.expanduser(recipe.model_path)), []).append(recipe.id)
    found: dict[str, FoundModel] = {}
    for path in _paths(searched):
        real = os.path.realpath(path)
        if real not in found:
            found[real] = _describe(path, used)
        if len(found) >= MODEL_LIMIT:
            break
    return sorted(found.values(), key=lambda model: (model.name.lower(), model.path))


def _paths(searched: Sequence[Path]) -> Iterator[Path]:
    """Breadth first, not below a model, no hidden folders."""
    waiting = deque((root, 0) for root in searched)
    for _ in range(FOLDER_LIMIT):
        if not waiting:
            return
        folder, depth = waiting.popleft()
        files, folders = _list(folder)
        models = _models_of(folder, files)
        yield from models
        if folder not in models and depth < DEPTH:
            waiting.extend((folder / name, depth + 1) for name in folders)


def _list(folder: Path) -> tuple[list[str], list[str]]:
    try:
        with os.scandir(folder) as entries:
            visible = sorted((entry for entry in entries if not entry.name.startswith(".")), key=lambda entry: entry.name)
            folders = [entry.name for entry in visible if entry.is_dir()]
            return [entry.name for entry in visible if entry.is_file()], folders
    except OSError:
        return [], []  # not there, or not ours to read: the root's `exists` tells


def _models_of(folder: Path, files: Sequence[str]) -> list[Path]:
    if "config.json" in files or any(name.endswith(WEIGHTS[:2]) for name in files):
        return [folder]
    return [folder / name for name in files
            if name.endswith(".gguf") and not name.startswith("mmproj") and not _NOT_FIRST.search(name)]


def _describe(path: Path, used: dict[str, list[str]]) -> FoundModel:
    files = _weights(path)
    config = _config(path / "config.json") if path.is_dir() else {}
    header = gguf.Header() if path.is_dir() else _header(path)
    ids = sorted({recipe for place in (path, path.parent if path.is_file() else path, *files)
                  for recipe in used.get(os.path.realpath(place), [])})
    return FoundModel(
        name=path.name, path=str(path), size_bytes=sum(_size(file) for file in files), modified_at=_modified(path),
        architecture=_architecture(config) or header.architecture,
        context_length=_length(config) or header.context_length,
        quantization=_method(config) or header.quantization or _by_name(path.name),
        recipe_ids=ids, has_recipe=bool(ids),
    )


def _weights(path: Path) -> list[Path]:
    """The files that are loaded: of a GGUF in parts, all parts."""
    if path.is_dir():
        return [path / name for name in _list(path)[0] if name.endswith(WEIGHTS)]
    parts = re.sub(r"-00001-of-(\d{5})\.gguf\Z", r"-*-of-\1.gguf", path.name)
    return sorted(path.parent.glob(parts)) if parts != path.name else [path]


def _header(path: Path) -> gguf.Header:
    try:
        return gguf.read(path)
    except (gguf.NotGguf, OSError):
        return gguf.Header()


def _config(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as stream:
            data = json.loads(stream.read(CONFIG_LIMIT))
    except (OSError, ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


def _architecture(config: dict[str, Any]) -> str | None:
    named = config.get("architectures")
    return str(named[0]) if isinstance(named, list) and named else None


def _length(config: dict[str, Any]) -> int | None:
    """Multimodal models keep the language part's figures one level down."""
    for part in (config, *(config.get(name) for name in ("text_config", "llm_config", "language_config"))):
        if isinstance(part, dict):
            for key in LENGTH_KEYS:
                if isinstance(part.get(key), int):
                    return int(part[key])
    return None


def _method(config: dict[str, Any]) -> str | None:
    quantization = config.get("quantization_config")
    method = quantization.get("quant_method") if isinstance(quantization, dict) else None
    return str(method) if method else None


def _by_name(name: str) -> str | None:
    found = _NAMED.search(name.lower())
    return found[1] if found else None


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
