"""SGLang's own argument parser, asked by the probe, against the table that Studio ships for that version."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from studio_core.engines import catalog, inquiry
from studio_core.engines.catalog import Catalog, Flag
from tests.engines import sglang_environment
from tests.engines.vllm import vllm as vllm

# The first time its environment is built, on a busy machine for minutes.
pytestmark = [pytest.mark.engines, pytest.mark.timeout(900)]

# The table names them and the parser does not: they belong to `sglang serve` before its arguments are parsed.
BEFORE_THE_PARSER = {"--model-type", "model_path"}
# Where the two differ, and why the table stays as it is.
DIFFERENT: Mapping[str, Mapping[str, tuple[Any, Any]]] = {
    # Named in its help text only.
    "--enable-flashinfer-allreduce-fusion": {"replacement": ("", "--flashinfer-allreduce-fusion-backend=auto")},
    # None is what its absence means.
    "--monokernel-backend": {"default": (False, None)},
}


@pytest.fixture(scope="module")
def asked(vllm: Path) -> Catalog:
    """What the real SGLang says; its environment is built now if it is not there (a minute)."""
    folder = sglang_environment.place()
    sglang_environment.build(folder, vllm)
    return inquiry.package(folder / "bin" / "python", "sglang")


def facts(flag: Flag) -> dict[str, Any]:
    """What matters of a flag, comparable. Whether None is a value, the parser itself cannot tell."""
    return {
        "spellings": set(flag.spellings), "kind": flag.kind, "item": flag.item, "style": flag.style,
        "choices": set(map(str, flag.choices)), "optional": flag.optional, "deprecated": flag.deprecated,
        "replacement": flag.replacement, "default": flag.default, "count": flag.count,
    }


def test_the_shipped_table_is_what_the_real_parser_says(asked: Catalog) -> None:
    table = catalog.shipped("sglang")
    assert (asked.version, table.version) == (sglang_environment.VERSION, sglang_environment.VERSION)
    told, ours = ({flag.name: facts(flag) for flag in one.flags} for one in (asked, table))
    assert set(told) ^ set(ours) == BEFORE_THE_PARSER
    assert len(told) > 500
    differences = {
        name: {key: (told[name][key], ours[name][key]) for key in told[name] if told[name][key] != ours[name][key]}
        for name in sorted(told) if told[name] != ours[name]
    }
    assert differences == DIFFERENT


def test_it_tells_its_parsers(asked: Catalog) -> None:
    assert {"qwen25", "glm45", "hermes"} <= set(asked.parsers["tool_parsers"])
    assert {"qwen3", "deepseek-r1"} <= set(asked.parsers["reasoning_parsers"])
