"""Configuration files that a command line names: vLLM's and SGLang's `--config`, and TabbyAPI's config.yml."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from studio_core.engines.catalog import Catalog, shipped
from studio_core.engines.reading import Reading
from studio_core.errors import BadInput
from studio_core.importing.field import key
from studio_core.importing.found import Files, Found
from studio_core.importing.wrapper import within
from studio_core.recipes.text import plain

TABBY = "config.yml"


def merge(engine: str, given: Reading, cwd: str, files: Files, found: Found) -> None:
    """Put the file's values under those of the command line, which win in all these engines."""
    if engine == "llamacpp" or engine == "mlx":
        return
    named = given.values.pop("config", None)
    path = within(cwd, str(named)) if named else f"{cwd}/{TABBY}" if engine == "tabbyapi" and cwd else ""
    if engine == "tabbyapi" and cwd:
        found.data["binary"] = cwd
    if not path:
        return
    text = files(Path(path).expanduser())
    data = _mapping(text) if text is not None else None
    if data is None:
        if named or engine != "tabbyapi":
            found.note(f"{path} could not be read: what it sets is not in the recipe")
        return
    values = _tabby(data, cwd) if engine == "tabbyapi" else _flat(data)
    for name, value in values.items():
        given.values.setdefault(name, value)
    found.note(f"{path} was read: its values are in the recipe now, later changes of the file are not")


def _mapping(text: str) -> Mapping[str, Any] | None:
    try:
        data = plain(text)
    except BadInput:
        return None
    return data if isinstance(data, Mapping) else None


def _flat(data: Mapping[str, Any]) -> dict[str, Any]:
    return {key(str(name)): value for name, value in data.items() if value is not None}


def _tabby(data: Mapping[str, Any], cwd: str) -> dict[str, Any]:
    """What differs from the defaults; a sample file names them all."""
    found: dict[str, Any] = {}
    for name, value, default in _options(data, shipped("tabbyapi")):
        if value is not None and (value != default or name == "model_dir"):
            found[name] = value
    found.setdefault("model_dir", "models")
    if found.get("lora_dir"):
        found["lora_dir"] = within(cwd, str(found["lora_dir"]))
    return found


def _options(data: Mapping[str, Any], catalog: Catalog) -> Iterator[tuple[str, Any, Any]]:
    for flag in catalog.flags:
        section = data.get(flag.section)
        if flag.section != "network" and isinstance(section, Mapping) and flag.key in section:
            yield key(flag.name), section[flag.key], flag.default
