"""How large a model is: the bytes of the weight files that a recipe's `model_path` means. A look at file sizes, nothing is read."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path

from studio_core.models import facts

ENDINGS = (".safetensors", ".gguf", ".bin", ".pt")
# The first kind that a folder has counts: the same weights often lie there in two formats.
_PART = re.compile(r"-00001-of-(\d{5})\.gguf\Z")


def size(model: str, environ: Mapping[str, str] | None = None) -> int | None:
    """Bytes, None where there are no local files. A folder is looked at again only when something was added or removed."""
    try:
        place = facts.place(model, os.environ if environ is None else environ)
        return _size(place, os.stat(place).st_mtime_ns)
    except (OSError, ValueError, RuntimeError):
        return None


@lru_cache(maxsize=4096)
def _size(place: str, stamp: int) -> int | None:
    path = Path(place)
    sizes = [one.stat().st_size for one in (_of_folder(path) if path.is_dir() else _parts(path))]
    return sum(sizes) or None


def _of_folder(path: Path) -> list[Path]:
    files = [one for one in path.iterdir() if one.is_file()]
    kinds = ([one for one in files if one.suffix == ending] for ending in ENDINGS)
    return next((found for found in kinds if found), [])


def _parts(path: Path) -> Iterator[Path]:
    """A GGUF in parts is named by its first."""
    pattern = _PART.sub(r"-*-of-\1.gguf", path.name)
    yield from path.parent.glob(pattern) if pattern != path.name else [path]
