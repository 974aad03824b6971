"""A model as the Python engines take it: a folder in Hugging Face's layout, or a hub id."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from studio_core.engines.problem import Problem

HUB_ID = re.compile(r"[\w][\w.-]*(/[\w][\w.-]*)?\Z")


def is_local(model: str) -> bool:
    """Whether a path is meant: it is written as one, or there is one."""
    return model.startswith(("/", "./", "../", "~")) or Path(model).expanduser().exists()


def place(model: str) -> str:
    """As it goes on the command line: a path whole, a hub id as it is."""
    return str(Path(model).expanduser().absolute()) if is_local(model) else model


def problems(model: str) -> Iterator[Problem]:
    """What can be known without loading it. A missing folder is otherwise taken for a hub id, half a minute later."""
    if not is_local(model):
        if not HUB_ID.match(model):
            yield Problem("model_path", f"{model!r} is neither a folder nor a hub id", "write a path or NAMESPACE/NAME")
        return
    path = Path(model).expanduser()
    if not path.exists():
        yield Problem("model_path", f"the model folder {path} is not there", "correct model_path")
    elif path.is_dir() and not any((path / name).is_file() for name in ("config.json", "params.json")):
        yield Problem("model_path", f"{path} has no config.json", "name the folder that holds it")
    elif path.is_file() and path.suffix != ".gguf":
        yield Problem("model_path", f"{path} is a file", "name the folder of the model")
