"""What an imported text or folder is: named by whoever imports, or seen in it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from studio_core.errors import BadInput, NotFound
from studio_core.importing import line, litellm, llamaswap, lmstudio, ollama, unit
from studio_core.importing.found import Files, Found, Harvest
from studio_core.recipes.text import from_yaml, plain

_LIKE_RECIPE = re.compile(r"\s*(?:- )?(?:id|name|model_path|recipes|backend|models|model_list)\s*:")


def recipes(text: str, _: Files) -> Harvest:
    """Studio's own YAML."""
    return Harvest([Found(recipe.stored()) for recipe in from_yaml(text)])


TEXTS: Mapping[str, Callable[[str, Files], Harvest]] = {
    "recipe": recipes, "command": line.harvest, "systemd": unit.harvest,
    "llama-swap": llamaswap.harvest, "litellm": litellm.harvest,
}
FOLDERS: Mapping[str, Callable[[Path], Harvest]] = {"ollama": ollama.harvest, "lmstudio": lmstudio.harvest}
# Where the other tools keep their models when nobody told them otherwise.
PLACES: Mapping[str, Callable[[], list[Path]]] = {"ollama": ollama.places, "lmstudio": lmstudio.places}
KINDS = (*TEXTS, *FOLDERS)


def of_text(text: str) -> str:
    """The kind of a text; what is nothing else is a command, which says best what is wrong with it."""
    if unit.looks_like(text):
        return "systemd"
    try:
        data = plain(text)
    except BadInput:
        # Whose lines begin like a recipe's hears what is wrong with the YAML, anybody else what is wrong with the command.
        return "recipe" if _LIKE_RECIPE.match(text) else "command"
    if isinstance(data, Mapping):
        return next((kind for kind, key in _KEYS if key in data), "command")
    return "recipe" if isinstance(data, list) and data and isinstance(data[0], Mapping) else "command"


_KEYS = (("litellm", "model_list"), ("recipe", "recipes"), ("recipe", "model_path"), ("llama-swap", "models"), ("recipe", "id"))


def of_folder(path: Path) -> str:
    """The kind of a folder."""
    return "ollama" if (path / "manifests").is_dir() or (path / "models" / "manifests").is_dir() else "lmstudio"


def read_text(text: str, kind: str, files: Files) -> tuple[str, Harvest]:
    """The kind and what was found.

    Raises:
        BadInput: there is no such kind, or nothing in the text that can be imported; BadRecipe where a recipe is wrong.
    """
    kind = kind or of_text(text)
    if kind not in TEXTS:
        raise BadInput(f"{kind[:40]!r} is not read from a text", "", f"choose one of: {', '.join(TEXTS)}")
    found = TEXTS[kind](text, files).insist()
    return kind, found if kind == "recipe" else found.distinct()


def read_path(path: Path, kind: str, files: Files) -> tuple[str, Harvest]:
    """The same of a file or folder. Raises BadInput also where it cannot be read."""
    if path.is_dir():
        kind = kind or of_folder(path)
        if kind not in FOLDERS:
            raise BadInput(f"{path} is a folder", f"{kind} is read from a file", "name the file")
        return kind, FOLDERS[kind](path).insist().distinct()
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"cannot read {path}", str(error), "give a readable file or folder") from error
    return read_text(text, kind, files)


def usual(kind: str) -> Path:
    """Where that tool keeps its models here. Raises NotFound, BadInput."""
    if kind not in PLACES:
        raise BadInput(f"which file of {kind}?", "", f"studio recipes import {kind} FILE")
    tried = PLACES[kind]()
    found = next((path for path in tried if path.is_dir()), None)
    if found is None:
        raise NotFound(f"no models of {kind} here", f"tried {', '.join(map(str, tried))}", f"studio recipes import {kind} FOLDER")
    return found
