"""What a model says of itself: architecture, chat template, names. Small files only, bounded, never an exception.

Read from a folder in Hugging Face's layout, a GGUF file, or of a hub id from the local cache of huggingface_hub
(`models--org--name/snapshots/<revision>`), where it is.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from studio_core.models import gguf

FILE_LIMIT = 4 * 1024 * 1024
TEMPLATE_LIMIT = 128 * 1024
NAME_LIMIT = 300
FILES = ("config.json", "tokenizer_config.json", "chat_template.jinja", "chat_template.json")
# Where the hub's cache is, the most exact first.
VARIABLES = ("HF_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME", "HOME")
HUB_ID = re.compile(r"[\w.-]+/[\w.-]+\Z")
# Added tokens that can tell of a format; a tokenizer may have thousands of others.
_TELLING = re.compile(r"think|tool|inner|arg_|function|param")
_SNAPSHOT = re.compile(r"models--(?P<id>[^/]+)/snapshots/[^/]+/?\Z")
# A folder named so says nothing; the one above may.
_NAMELESS = re.compile(r"(checkpoint|snapshot|model|weights|hf|main|final|merged|gguf)([-_]\d+)?\Z", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """`names` in the order of their say, without organisations; `served` is what a person calls it: the last resort.

    `architectures` and `model_type` are config.json's, `template` is the chat template's text. `tokens` are, of the added
    tokens that the tokenizer's configuration lists, those that can tell of a format; None where it has no such list.
    """

    names: tuple[str, ...] = ()
    architectures: tuple[str, ...] = ()
    model_type: str = ""
    template: str = ""
    tokens: frozenset[str] | None = None
    served: str = ""


def read(model: str, served: str = "", environ: Mapping[str, str] | None = None) -> ModelFacts:
    """The facts of a recipe's `model_path`. Files are read again only when they changed.

    `environ` says by VARIABLES where the hub's cache is.
    """
    try:
        found = place(model, os.environ if environ is None else environ)
        files = (found,) if found.endswith(".gguf") else tuple(f"{found}/{name}" for name in FILES)
        return _read(model, found, tuple(_stamp(file) for file in files), served[:NAME_LIMIT])
    except (OSError, ValueError, RuntimeError):
        return ModelFacts(names=(_last(model),), served=served[:NAME_LIMIT])


def place(model: str, environ: Mapping[str, str]) -> str:
    """Where a model lies: its path, or its folder in the hub's cache. A plain text, as a list of recipes asks for thousands."""
    path = os.path.expanduser(model)
    if not HUB_ID.match(model) or os.path.exists(path):
        return path
    return str(cached(model, environ) or path)


def hub(environ: Mapping[str, str]) -> Path:
    """The folder of the hub's cache."""
    home = environ.get("XDG_CACHE_HOME") or os.path.join(environ.get("HOME", "/nonexistent"), ".cache")
    return Path(environ.get("HF_HUB_CACHE") or os.path.join(environ.get("HF_HOME") or os.path.join(home, "huggingface"), "hub"))


def cached(model: str, environ: Mapping[str, str]) -> Path | None:
    """The snapshot that the hub's cache has of an id: of the revision `main`, else the newest."""
    folder = hub(environ) / f"models--{model.replace('/', '--')}"
    snapshots = folder / "snapshots"
    if not snapshots.is_dir():
        return None
    main = _text(folder / "refs" / "main", 200).strip()
    if main and (snapshots / main).is_dir():
        return snapshots / main
    return max(snapshots.iterdir(), key=lambda one: one.stat().st_mtime, default=None)


def _stamp(path: str) -> tuple[int, int]:
    try:
        info = os.stat(path)
    except OSError:
        return 0, 0
    return info.st_mtime_ns, info.st_size


@lru_cache(maxsize=4096)
def _read(model: str, place: str, stamps: tuple[tuple[int, int], ...], served: str) -> ModelFacts:
    path = Path(place)
    return _of_gguf(path, served) if path.suffix == ".gguf" else _of_folder(model, path, served)


def _of_folder(model: str, path: Path, served: str) -> ModelFacts:
    config, tokenizer = (_object(path / name) for name in FILES[:2])
    names = [_last(model), *_above(path)]
    origin = config.get("_name_or_path")
    if isinstance(origin, str):
        names.append(_last(origin))
    kind, listed = config.get("model_type"), config.get("architectures")
    return ModelFacts(
        names=_distinct(names), served=served,
        architectures=tuple(one for one in listed[:16] if isinstance(one, str)) if isinstance(listed, list) else (),
        model_type=kind if isinstance(kind, str) else "",
        template=_template(path, tokenizer)[:TEMPLATE_LIMIT], tokens=_tokens(tokenizer),
    )


def _above(path: Path) -> list[str]:
    """The hub's id of a snapshot's folder, or the folder above one whose own name says nothing."""
    snapshot = _SNAPSHOT.search(str(path))
    if snapshot:
        return [snapshot["id"].split("--")[-1]]
    return [path.parent.name] if _NAMELESS.match(path.name) else []


def _of_gguf(path: Path, served: str) -> ModelFacts:
    try:
        header = gguf.read(path)
    except (gguf.NotGguf, OSError, MemoryError, RecursionError):
        header = gguf.Header()
    names = [path.stem, path.parent.name, header.name or ""]
    return ModelFacts(names=_distinct(names), served=served, template=(header.chat_template or "")[:TEMPLATE_LIMIT])


def _last(name: str) -> str:
    return name.rstrip("/").rpartition("/")[2][-NAME_LIMIT:]


def _distinct(names: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name[:NAME_LIMIT] for name in names if name))


def _template(path: Path, tokenizer: Mapping[str, Any]) -> str:
    """As transformers looks for it: the file of its own, then the older one, then the tokenizer's configuration."""
    own = _text(path / FILES[2], FILE_LIMIT)
    return own or _joined(_object(path / FILES[3]).get("chat_template")) or _joined(tokenizer.get("chat_template"))


def _joined(value: Any) -> str:
    """One template, or several by name ({"name": "tool_use", "template": ...}): what any of them can counts."""
    if isinstance(value, str):
        return value
    parts = [one.get("template") for one in value if isinstance(one, dict)] if isinstance(value, list) else []
    return "\n".join(part for part in parts if isinstance(part, str))


def _tokens(tokenizer: Mapping[str, Any]) -> frozenset[str] | None:
    added = tokenizer.get("added_tokens_decoder")
    if not isinstance(added, dict):
        return None
    contents = (row.get("content") for row in added.values() if isinstance(row, dict))
    return frozenset(one for one in contents if isinstance(one, str) and _TELLING.search(one))


def _object(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(_text(path, FILE_LIMIT) or "{}")
    except (ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


def _text(path: Path, limit: int) -> str:
    try:
        if not path.is_file():
            return ""
        with path.open("rb") as stream:
            return stream.read(limit).decode("utf-8", "replace")
    except OSError:
        return ""
