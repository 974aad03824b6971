"""The form's table follows the recipe, field for field."""

from __future__ import annotations

from typing import Any

import pytest

from studio_core.engines.registry import find
from studio_core.errors import BadValue
from studio_core.recipes import field as fields
from studio_core.recipes.recipe import Recipe

BY_NAME = {one.name: one for one in fields.TABLE}
# What the model's annotation says → the kind.
KINDS: dict[str, set[str]] = {
    "bool": {fields.FLAG}, "int": {fields.WHOLE, fields.CHOICE}, "float": {fields.NUMBER}, "str": {fields.TEXT, fields.CHOICE},
    "list[str]": {fields.LIST}, "dict[str, Any]": {fields.TREE}, "dict[str, str]": {fields.TREE},
}


def test_each_field_of_a_recipe_has_one_line() -> None:
    assert set(BY_NAME) == set(Recipe.model_fields) and len(BY_NAME) == len(fields.TABLE)
    assert [one.common for one in fields.TABLE] == sorted((one.common for one in fields.TABLE), reverse=True)


@pytest.mark.parametrize("one", fields.TABLE, ids=lambda one: one.name)
def test_defaults_and_kinds_are_the_recipe_s(one: fields.Field) -> None:
    model = Recipe.model_fields[one.name]
    if not model.is_required():
        assert model.get_default(call_default_factory=True) == one.default
    annotation = str(getattr(model.annotation, "__name__", model.annotation)).replace("typing.", "").removesuffix(" | None")
    if annotation in KINDS:
        assert one.kind in KINDS[annotation]
    assert one.doc and not one.doc.endswith(".")


def test_every_engine_of_the_choice_is_there() -> None:
    assert [find(name).name for name in BY_NAME["backend"].choices] == list(BY_NAME["backend"].choices)


@pytest.mark.parametrize(("name", "text", "value"), [
    ("max_model_len", "8 192", 8192), ("max_model_len", "", 32768), ("gpu_memory_utilization", "0.5", 0.5),
    ("gpus", "0, 3,", ["0", "3"]),
    ("gpus", "", None), ("served_model_name", "", None), ("name", "", ""), ("sleep_level", "2", 2),
])
def test_a_line_is_read(name: str, text: str, value: Any) -> None:
    assert fields.read(BY_NAME[name], text) == value


def test_what_is_no_number_is_said() -> None:
    with pytest.raises(BadValue, match="max_model_len: 'many' is no whole number"):
        fields.read(BY_NAME["max_model_len"], "many")


def test_a_choice_goes_round() -> None:
    assert [fields.following(BY_NAME["sleep_level"], value) for value in (None, 1, 2)] == [1, 2, None]
    assert [fields.following(BY_NAME["vision"], value) for value in (None, False, True)] == [False, True, None]
    assert fields.following(BY_NAME["pin"], True) is False and fields.following(BY_NAME["restart"], "odd") == "never"


@pytest.mark.parametrize(("name", "value", "text"), [
    ("pin", True, "yes"), ("gpus", ["0", "1"], "0, 1"), ("env_vars", {"HF_TOKEN": "secret"}, "HF_TOKEN"), ("dtype", None, ""),
    ("lora_adapters", [{"name": "a", "path": "b"}], "1 of them"), ("port", 8000, "8000"), ("extra_args", {}, ""),
])
def test_a_value_on_one_line(name: str, value: Any, text: str) -> None:
    assert fields.written(BY_NAME[name], value) == text
