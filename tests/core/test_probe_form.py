"""How a probe tells an engine's options, on options made with argparse as vLLM and SGLang make them."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from typing import Any

import pytest

from studio_core.engines.probe import form


def number(text: str) -> int:
    """As vLLM's own: 1k is 1000."""
    return int(text[:-1]) * 1000 if text.endswith("k") else int(text)


def optional(convert: Callable[[str], Any]) -> Callable[[str], Any]:
    return lambda text: None if text == "None" else convert(text)


def strict(text: str) -> Any:
    """As a configuration class's: any JSON object with unknown keys is refused too."""
    raise argparse.ArgumentTypeError(text)


def either(text: str) -> Any:
    return json.loads(text) if text.startswith("{") else text


OPTIONS: tuple[tuple[tuple[str, ...], dict[str, Any], dict[str, Any]], ...] = (
    (("--on",), {"action": "store_true"}, {"type": "bool", "default": False}),
    (("--eager", "-e"), {"action": argparse.BooleanOptionalAction},
     {"type": "bool", "aliases": ["-e"], "negation": "--no-eager", "default": None}),
    (("--count",), {"type": int, "default": 1}, {"type": "int", "default": 1}),
    (("--length",), {"type": optional(number)}, {"type": "int", "human_readable": True, "nullable": True, "default": None}),
    (("--share",), {"type": float, "default": 0.5}, {"type": "float", "default": 0.5}),
    (("--name",), {}, {"type": "str", "default": None}),
    (("--kind",), {"choices": ["a", "b", None], "type": optional(str)},
     {"type": "choice", "choices": ["a", "b"], "nullable": True, "default": None}),
    (("--names",), {"nargs": "+", "type": str}, {"type": "list", "item_type": "str", "nargs": "+", "default": None}),
    (("--more",), {"action": "append", "default": []},
     {"type": "list", "item_type": "str", "list_style": "repeat", "default": []}),
    (("--ids",), {"type": lambda text: text.split(",")},
     {"type": "list", "item_type": "str", "list_style": "comma", "default": None}),
    (("--map",), {"type": json.loads, "default": {}}, {"type": "json", "dotted_keys": True, "default": {}}),
    (("--config",), {"type": strict}, {"type": "json", "dotted_keys": True, "default": None}),
    (("--either",), {"type": either, "default": {}}, {"type": "json", "dotted_keys": True, "default": {}}),
    (("--parser",), {"metavar": "{hermes,xlam} or name"}, {"type": "str", "known_values": ["hermes", "xlam"], "default": None}),
    (("--token",), {"nargs": "?", "const": True, "type": str}, {"type": "str", "value_optional": True, "default": None}),
    (("--old",), {"help": "Deprecated: use --new."},
     {"type": "str", "deprecated": True, "help": "Deprecated: use --new.", "default": None}),
    (("--other",), {"help": "Replaces it. The flag --old is deprecated."},
     {"type": "str", "help": "Replaces it.", "default": None}),
    (("--text",), {"help": "One 100%% sentence. Another.\n\nMore."},
     {"type": "str", "help": "One 100% sentence.", "default": None}),
)


@pytest.mark.parametrize(("names", "made", "told"), OPTIONS, ids=lambda value: value[0] if isinstance(value, tuple) else "")
def test_an_option_is_told_as_a_row(names: tuple[str, ...], made: dict[str, Any], told: dict[str, Any]) -> None:
    parser = argparse.ArgumentParser(add_help=False)
    group = parser.add_argument_group("Group")
    group.add_argument(*names, **made)
    rows = form.rows(parser)
    assert [dict(row) for row in rows] == [{"flag": names[0], "group": "Group", **told}]


def test_the_help_option_is_not_a_flag_and_a_positional_is_marked() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("model_tag", nargs="?")
    rows = form.rows(parser)
    assert [(row["flag"], row.get("positional")) for row in rows] == [("model_tag", True)]
