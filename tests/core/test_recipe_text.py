"""Recipes as YAML: nothing lost on the way out and in, errors with the line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio_core.errors import BadRecipe
from studio_core.paths import shipped
from studio_core.recipes.recipe import parse
from studio_core.recipes.text import from_yaml, to_yaml

NUMBERS = st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False)
PLAIN = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(max_size=20)
    | st.sampled_from(["on", "off", "yes", "12:30", "2026-11-24", "1e5", "0123", "~", "null", "=", "<<", "0x1F"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None)
@given(extra=st.dictionaries(st.text(min_size=1, max_size=12).filter(lambda key: key != "env_vars"), PLAIN, max_size=5),
       name=st.text(max_size=30), port=st.none() | st.integers(1, 65535))
def test_what_goes_out_comes_back(extra: dict[str, Any], name: str, port: int | None) -> None:
    recipe = parse({"id": "r", "model_path": "/m", "name": name, "port": port, "extra_args": extra})
    assert from_yaml(to_yaml(recipe, recipe)) == [recipe, recipe]


def test_flag_values_stay_text() -> None:
    [recipe] = from_yaml("id: a\nmodel_path: /m\nflash_attn: on\ntensor_split: 3:1\nbuilt: 2026-11-24\nrate: 1e-5\n")
    assert recipe.extra_args == {"flash_attn": "on", "tensor_split": "3:1", "built": "2026-11-24", "rate": 1e-5}


def test_defaults_are_not_written() -> None:
    assert to_yaml(parse({"id": "a", "model_path": "/m"})) == "id: a\nmodel_path: /m\nbackend: vllm\n"


@pytest.mark.parametrize("text", [
    "id: a\nmodel_path: /m\n---\nid: b\nmodel_path: /m\n",
    "- id: a\n  model_path: /m\n- {id: b, model_path: /m}\n",
    "recipes:\n  - id: a\n    model_path: /m\n  - id: b\n    model_path: /m\n",
    "id: a\nmodel_path: /m\n---\n---\nid: b\nmodel_path: /m\n",
])
def test_many_recipes(text: str) -> None:
    assert [recipe.id for recipe in from_yaml(text)] == ["a", "b"]


@pytest.mark.parametrize(("text", "says"), [
    ("id: a\n  model_path: /m", "line 2, column 13"),
    ("id: a\nmodel_path: [", "line 2"),
    ("id: a\nid: b\nmodel_path: /m", "line 2, column 1: the key id is given twice"),
    ("id: a\nmodel_path: !!python/object:os.system x", "line 2"),
    ("- id: a\n  model_path: /m\n- id: b\n", "the recipe at line 3 is not valid: model_path"),
    ("just text", "the recipe at line 1 is not valid"),
    ("", "no recipe"),
    ("# nothing\n", "no recipe"),
    ("id: &x [*x]\nmodel_path: /m", "contains itself"),
    ("\x00", "not valid YAML"),
    ("[" * 100_000, "nested too deeply"),
])
def test_errors_name_the_line(text: str, says: str) -> None:
    with pytest.raises(BadRecipe) as caught:
        from_yaml(text)
    assert says in str(caught.value)
    assert caught.value.hint


def test_a_bomb_of_aliases_is_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]" for level in range(1, 9)]
    with pytest.raises(BadRecipe, match="too many values"):
        from_yaml("\n".join([*lines, "id: a", "model_path: /m"]))


def test_the_shipped_recipes_are_valid() -> None:
    files = sorted(Path(shipped("config"), "recipes").glob("*.yaml"))
    assert files
    for file in files:
        [recipe] = from_yaml(file.read_text(encoding="utf-8"))
        assert recipe.id == file.stem
