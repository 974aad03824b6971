"""LM Studio's models: GGUF files as `PUBLISHER/MODEL/FILE.gguf` in its models folder (LM Studio's documentation of 2026)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from studio_core.errors import BadInput
from studio_core.importing.command import slug
from studio_core.importing.found import Found, Harvest

_LATER_PART = re.compile(r"-(?!00001)\d{5}-of-\d{5}\.gguf\Z")
_PART = re.compile(r"-\d{5}-of-\d{5}\Z")


def places() -> list[Path]:
    """Where LM Studio keeps its models, newest convention first."""
    return [Path.home() / ".lmstudio/models", Path.home() / ".cache/lm-studio/models"]


def harvest(path: Path) -> Harvest:
    """A llama.cpp recipe for each GGUF model. Nothing is copied: LM Studio's file is used.

    Raises:
        BadInput: the folder cannot be read.
    """
    try:
        folders = sorted({file.parent for file in _files(path)})
    except OSError as error:
        raise BadInput(f"{path} cannot be read", error.strerror or str(error), "check its permissions") from error
    found = Harvest()
    for folder in folders:
        names = [file for file in sorted(folder.glob("*.gguf")) if not _LATER_PART.search(file.name)]
        vision = next((file for file in names if file.name.startswith("mmproj")), None)
        for file in names:
            if not file.name.startswith("mmproj"):
                with found.attempt(file.name):
                    found.recipes.append(_recipe(file, vision))
    found.notes += [f"{folder.relative_to(path)}: MLX runs on Apple's machines only" for folder in _others(path)]
    return found


def _files(path: Path) -> Iterator[Path]:
    """PUBLISHER/MODEL/FILE, and no deeper: a link to a whole disk is not followed."""
    for depth in ("*.gguf", "*/*.gguf", "*/*/*.gguf"):
        yield from path.glob(depth)


def _others(path: Path) -> list[Path]:
    folders = sorted(file.parent for file in path.glob("*/*/config.json"))
    return [folder for folder in folders if any(folder.glob("*.safetensors"))]


def _recipe(file: Path, vision: Path | None) -> Found:
    title = _PART.sub("", file.stem)
    one = Found({"id": slug(title), "name": title, "model_path": str(file), "backend": "llamacpp", "tags": ["lmstudio"]})
    if vision is not None:
        one.data["extra_args"] = {"mmproj": str(vision)}
    one.note("the file stays LM Studio's: deleting the model there takes it away")
    one.recipe()
    return one
