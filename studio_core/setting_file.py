"""Changing `studio.yaml` as a person would: only the lines of the settings that change, comments and order stay."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from studio_core.errors import BadSetting
from studio_core.text import yaml_problem

# Between reading and writing nobody else writes.
_ALONE = threading.Lock()


def change(path: Path, changes: Mapping[str, Any], check: Callable[[Mapping[str, Any]], None] = lambda stored: None) -> None:
    """Write these values into the file, None takes one out. Values are as YAML has them; `check` may refuse what it says now.

    Raises:
        BadSetting: the file cannot be read or written, is broken, or says this in a way that only a person should change.
    """
    with _ALONE:
        try:
            text = path.read_text(encoding="utf-8") if path.exists() else ""
        except (OSError, UnicodeDecodeError) as error:
            raise BadSetting(f"cannot read {path}", str(error), "check that it is a text file you may read") from error
        check(_parsed(text, str(path)))
        _replace(path, written(text, changes, str(path)))


def written(text: str, changes: Mapping[str, Any], name: str = "studio.yaml") -> str:
    """The text with these changes. Raises BadSetting."""
    wanted = {key: value for key, value in {**_parsed(text, name), **changes}.items() if value is not None}
    for key, value in changes.items():
        text = _without(text, key) if value is None else _with(text, key, value)
    if _parsed(text, name) != wanted:
        raise BadSetting(f"{name} is written in a way that is not changed from here", "nothing was stored", "edit the file by hand")
    return text


def _parsed(text: str, name: str) -> dict[str, Any]:
    try:
        found = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        raise BadSetting(f"broken YAML in {name}", yaml_problem(error), "correct that line first") from error
    if not isinstance(found, dict):
        raise BadSetting(f"{name} is not a mapping", f"it holds a {type(found).__name__}", "write lines like `port: 8080`")
    return found


def _place(text: str, key: str) -> tuple[int, int, int] | None:
    """Where a key begins, and where its value begins and ends; None where it is not. A block ends before the comments after it."""
    root = yaml.compose(text)
    for name, value in root.value if isinstance(root, yaml.MappingNode) else ():
        if name.value == key:
            start, end = value.start_mark.index, value.end_mark.index
            lines = text[start:end].splitlines(keepends=True)
            while lines and (not lines[-1].strip() or lines[-1].lstrip().startswith("#")):
                end -= len(lines.pop())
            end -= len(text[start:end]) - len(text[start:end].rstrip())
            return name.start_mark.index, start, max(start, end)
    return None


def _with(text: str, key: str, value: Any) -> str:
    # JSON is YAML, on one line and without surprises.
    word = json.dumps(value, ensure_ascii=False)
    place = _place(text, key)
    if place is None:
        return f"{text}{'' if not text or text.endswith(chr(10)) else chr(10)}{key}: {word}\n"
    begin, start, end = place
    head = text[begin:start].rstrip() if "\n" in text[begin:start] else text[begin:start]
    gap = "" if head.endswith(" ") else " "
    return f"{text[:begin]}{head}{gap}{word}{text[end:]}"


def _without(text: str, key: str) -> str:
    place = _place(text, key)
    if place is None:
        return text
    begin, _, end = place
    over = text.find("\n", end)
    return text[:begin] + (text[over + 1:] if over >= 0 else "")


def _replace(path: Path, text: str) -> None:
    """Whole or not at all, with the rights that it had; a link stays a link."""
    path = path.resolve()
    fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        mode = path.stat().st_mode & 0o777 if path.exists() else 0o600
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        raise BadSetting(f"cannot write {path}", str(error), "nothing was stored") from error
