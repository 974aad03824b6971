"""Ollama's models: `manifests/HOST/NAMESPACE/NAME/TAG` are OCI image manifests, their layers lie as `blobs/sha256-HEX`.

Media types and parameter names are those of Ollama's source (server/manifest.go, docs/modelfile.md) of 2026.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from studio_core.errors import BadInput, BadRecipe
from studio_core.importing.command import slug
from studio_core.importing.container import keep
from studio_core.importing.found import FILE_LIMIT, Found, Harvest

_LAYER = "application/vnd.ollama.image."
# Ollama's own registry and namespace are not said.
_DEFAULTS = ("registry.ollama.ai", "library")
_DIGEST = re.compile(r"sha256:([0-9a-f]{64})\Z")
# Its parameters that the server takes as flags; the others are of each request.
PARAMETERS = {
    "num_gpu": "n_gpu_layers", "num_thread": "threads", "num_batch": "batch_size", "main_gpu": "main_gpu", "seed": "seed",
    "temperature": "temp", "top_k": "top_k", "top_p": "top_p", "min_p": "min_p", "num_predict": "n_predict",
    "repeat_penalty": "repeat_penalty", "repeat_last_n": "repeat_last_n", "presence_penalty": "presence_penalty",
    "frequency_penalty": "frequency_penalty",
}


def places() -> list[Path]:
    """Where Ollama keeps its models: as told by its variable, for a user, for its service."""
    told = os.environ.get("OLLAMA_MODELS")
    return [*([Path(told)] if told else []), Path.home() / ".ollama/models", Path("/usr/share/ollama/.ollama/models")]


def harvest(path: Path) -> Harvest:
    """A llama.cpp recipe for each model whose weights are a GGUF file there. Nothing is copied: Ollama's file is used.

    Raises:
        BadInput: it is not Ollama's folder.
    """
    root = next((one for one in (path, path / "models") if (one / "manifests").is_dir()), None)
    if root is None:
        raise BadInput(f"{path} is not Ollama's folder", "it has no manifests", "give the folder that holds manifests and blobs")
    found = Harvest()
    manifests = root / "manifests"
    for file in sorted(one for one in manifests.rglob("*") if one.is_file()):
        name = _name(file.relative_to(manifests).parts)
        with found.attempt(name):
            found.recipes.append(_recipe(name, file, root))
    return found


def _name(parts: tuple[str, ...]) -> str:
    """As `ollama run` has it."""
    *place, name, tag = parts if len(parts) > 1 else (*parts, "latest")
    shown = [part for part, usual in zip(place, _DEFAULTS, strict=False) if part != usual]
    return "/".join((*shown, f"{name}:{tag}"))


def _recipe(name: str, file: Path, root: Path) -> Found:
    layers = dict(_layers(file, root))
    if "model" not in layers:
        raise BadRecipe("it has no weights here", "a model in the cloud, or of another format", "pull it: ollama pull NAME")
    weights = layers["model"]
    if not weights.is_file():
        raise BadRecipe(f"its file {weights.name} is not there", "", "pull it again with ollama")
    one = Found({"id": slug(name.removesuffix(":latest").replace("/", "-")), "model_path": str(weights), "backend": "llamacpp",
                 "aliases": [name], "extra_args": {}, "tags": ["ollama"]})
    one.note("the file stays Ollama's: `ollama rm` takes it away")
    for kind, flag in (("projector", "mmproj"), ("adapter", "lora")):
        if kind in layers:
            one.data["extra_args"][flag] = str(layers[kind]) if kind == "projector" else [str(layers[kind])]
    if "params" in layers:
        _parameters(one, _json(layers["params"]))
    if "template" in layers:
        one.note("the chat template is the one in the GGUF file: Ollama's is written in another language")
    if "system" in layers:
        keep(one, f"Ollama's system prompt: {_text(layers['system'])[:2000]}")
    one.recipe()
    return one


def _layers(file: Path, root: Path) -> Iterator[tuple[str, Path]]:
    """(kind, blob); the first layer of a kind counts."""
    listed = _json(file).get("layers")
    for layer in reversed(listed if isinstance(listed, list) else []):
        media, digest = str(layer.get("mediaType", "")), _DIGEST.match(str(layer.get("digest", "")))
        if media.startswith(_LAYER) and digest:
            yield media.removeprefix(_LAYER), root / "blobs" / f"sha256-{digest[1]}"


def _parameters(one: Found, given: Mapping[str, Any]) -> None:
    for name, value in given.items():
        if name == "num_ctx" and isinstance(value, int) and value > 0:
            one.data["max_model_len"] = value
        elif name == "stop":
            one.data["filters"] = {"default": {"stop": value}}
        elif name in PARAMETERS:
            one.data["extra_args"][PARAMETERS[name]] = str(value) if name == "num_gpu" else value
        else:
            keep(one, f"Ollama's parameter {name}: {json.dumps(value)}")


def _json(path: Path) -> Mapping[str, Any]:
    try:
        data = json.loads(_text(path))
    except ValueError as error:
        raise BadRecipe(f"{path.name} is not JSON", str(error), "pull the model again with ollama") from error
    if not isinstance(data, Mapping):
        raise BadRecipe(f"{path.name} has another shape than Ollama's", "", "pull the model again with ollama")
    return data


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > FILE_LIMIT:
            raise BadRecipe(f"{path.name} is too large for what it should be", "", "pull the model again with ollama")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadRecipe(f"{path.name} cannot be read", str(error), "check its permissions, or pull the model again") from error
