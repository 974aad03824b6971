"""Asks a checkout of TabbyAPI for the options of its configuration: `VENV/bin/python tabbyapi_parser.py CHECKOUT`, JSON on stdout.

    {"engine": "tabbyapi", "version": "", "flags": [FLAG...]}

A FLAG is as in form.py, with `section` and `key`, where it stands in config.yml. Read from the checkout's own pydantic models.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import types
import typing
from collections.abc import Iterator
from typing import Any

NAMES = {bool: "bool", int: "int", float: "float", str: "str"}


def answered() -> dict[str, Any]:
    whole = importlib.import_module("common.config_models").TabbyConfigModel
    return {"engine": "tabbyapi", "version": "", "flags": list(rows(whole))}


def rows(whole: Any) -> Iterator[dict[str, Any]]:
    """Each option of each section."""
    for section, outer in whole.model_fields.items():
        inner = next((one for one in parts(outer.annotation) if hasattr(one, "model_fields")), None)
        for key, field in (inner.model_fields.items() if inner is not None else ()):
            row = {"flag": f"--{key.replace('_', '-')}", "section": section, "key": key, **typed(field.annotation),
                   "default": plain(field), "help": (field.description or "").split("\n")[0].strip()}
            yield {name: value for name, value in row.items() if name == "default" or value not in ("", False, None, [])}


def parts(kind: Any) -> list[Any]:
    """What a union or an annotated type may be, without None."""
    origin = typing.get_origin(kind)
    if origin is typing.Annotated:
        return parts(typing.get_args(kind)[0])
    if origin is typing.Union or origin is types.UnionType:
        return [one for arg in typing.get_args(kind) if arg is not type(None) for one in parts(arg)]
    return [kind]


def typed(kind: Any) -> dict[str, Any]:
    """The type as rows have it. Of several the words are `known_values`: more is taken."""
    found, nullable = parts(kind), type(None) in typing.get_args(kind)
    words = [word for one in found if typing.get_origin(one) is typing.Literal for word in typing.get_args(one)]
    rest = [one for one in found if typing.get_origin(one) is not typing.Literal]
    if words and not rest:
        return {"type": "choice", "choices": words, "nullable": nullable}
    if len(rest) == 1 and typing.get_origin(rest[0]) is list:
        item = typed((typing.get_args(rest[0]) or (str,))[0])
        return {"type": "list", "item_type": item["type"], "choices": item.get("choices", []), "nullable": nullable}
    if words or len(rest) != 1:
        return {"type": "str", "known_values": words, "nullable": nullable}
    return {"type": NAMES.get(rest[0], "json"), "nullable": nullable}


def plain(field: Any) -> Any:
    """Its default as JSON; None where it is made anew each time."""
    return field.default if isinstance(field.default, bool | int | float | str | list) else None


if __name__ == "__main__":
    # What the checkout prints while it is imported is no answer.
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    sys.path[0] = sys.argv[1]
    with out:
        json.dump(answered(), out)
