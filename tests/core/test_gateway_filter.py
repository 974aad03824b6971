"""Filters on a request's body: however it is written, what an engine would read obeys the rules, and all else stays."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from studio_core.errors import BadRecipe
from studio_core.gateway.filter import GENERATING, clamped, filtered
from studio_core.gateway.table import Filters
from studio_core.gateway.wish import peek, with_usage
from studio_core.recipes import recipe

CHAT = "/v1/chat/completions"
RULES = Filters(
    strip=["logit_bias"], set={"top_k": 20}, default={"seed": 7}, clamp={"temperature": (0, 1.5), "max_tokens": (None, 4096)}
)


def after(body: str, path: str = CHAT, rules: Filters = RULES) -> Any:
    return json.loads(filtered(body.encode(), rules, path))


@pytest.mark.parametrize(("body", "expected"), [
    ('{"model":"m"}', {"model": "m", "top_k": 20, "seed": 7}),
    ('{"top_k":1,"seed":2}', {"top_k": 20, "seed": 2}),
    ('{"seed":null}', {"top_k": 20, "seed": 7}),
    ('{"logit_bias":{"1":2},"x":1}', {"x": 1, "top_k": 20, "seed": 7}),
    # A key that comes twice: whichever an engine would take, only one is left.
    ('{"temperature":9,"temperature":1}', {"temperature": 1, "top_k": 20, "seed": 7}),
    ('{"temperature":1,"temperature":9}', {"temperature": 1.5, "top_k": 20, "seed": 7}),
    # A key reads as it reads, not as it is written.
    ('{"temper\\u0061ture":9,"logit\\u005fbias":1}', {"temperature": 1.5, "top_k": 20, "seed": 7}),
    ('{"temperature":0.5,"\\u0074emperature":9}', {"temperature": 1.5, "top_k": 20, "seed": 7}),
    # Look-alikes in texts, and inside of other values, are nobody's business.
    ('{"prompt":"\\"temperature\\": 9, \\"logit_bias\\": 1","o":{"temperature":9}}',
     {"prompt": '"temperature": 9, "logit_bias": 1', "o": {"temperature": 9}, "top_k": 20, "seed": 7}),
    ('{"Temperature":9}', {"Temperature": 9, "top_k": 20, "seed": 7}),
])
def test_a_body(body: str, expected: Any) -> None:
    assert after(body) == expected


@pytest.mark.parametrize(("value", "expected"), [
    ("1", 1), ("1.5", 1.5), ("1.6", 1.5), ("-1", 0), ("2e400", 1.5), ("-2e400", 0), ("1" * 400, 1.5), ("1e-7", 1e-7),
    ('"9"', 1.5), ('"0.5"', "0.5"), ('"nan"', 1.5), ('"-inf"', 0), ('"hot"', "hot"), ("null", None), ("true", True),
    ("[9]", [9]), ('{"a":9}', {"a": 9}),
])
def test_bounds(value: str, expected: Any) -> None:
    assert after(f'{{"temperature":{value}}}', rules=Filters(clamp={"temperature": (0, 1.5)})) == {"temperature": expected}


def test_a_bound_on_one_side() -> None:
    assert after('{"max_tokens":5000,"n":1}', rules=RULES)["max_tokens"] == 4096
    assert after('{"max_tokens":-5}', rules=RULES)["max_tokens"] == -5
    assert clamped(0, 1, None) == 1


def test_what_no_rule_names_goes_byte_for_byte() -> None:
    body = b'{ "model" : "m",  "x":1.0, "x":2, "deep":{"a": [1,  2]} }'
    assert filtered(body, Filters(strip=["y"], clamp={"z": (0, 1)}), CHAT) == body
    assert filtered(body, RULES, "/v1/embeddings") == body
    assert b'{"a": [1,  2]}' in filtered(body, Filters(strip=["model"]), CHAT)


def test_nothing_is_put_into_what_does_not_generate() -> None:
    assert after('{"input":"a","logit_bias":1,"temperature":9}', "/v1/embeddings") == {"input": "a", "temperature": 1.5}
    assert all(after("{}", path) == {"top_k": 20, "seed": 7} for path in GENERATING)


NAMES = st.sampled_from(["temperature", "max_tokens", "logit_bias", "top_k", "seed", "model", "messages", "temperaturE"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES | st.text(), inner, max_size=3), max_leaves=8,
)


def escaped(name: str, every: int) -> str:
    """The name as JSON with every so-many-th letter as an escape."""
    letters = [f"\\u{ord(one):04x}" if every and at % every == 0 else one for at, one in enumerate(name)]
    return '"' + "".join(letters) + '"'


@given(st.lists(st.tuples(NAMES, st.integers(0, 3), VALUES), max_size=8))
def test_any_keys_in_any_order_and_writing(pairs: list[tuple[str, int, Any]]) -> None:
    body = "{" + ",".join(f"{escaped(name, every)}: {json.dumps(value)}" for name, every, value in pairs) + "}"
    before, found = json.loads(body), after(body)
    assert "logit_bias" not in found and found["top_k"] == 20 and found["seed"] is not None
    if isinstance(value := found.get("temperature"), int | float) and not isinstance(value, bool):
        assert 0 <= value <= 1.5
    for name in ("model", "messages", "temperaturE"):
        assert found.get(name, 0) == before.get(name, 0)
    # What is left comes once each: the text holds what it reads as.
    assert len(pairs_of(filtered(body.encode(), RULES, CHAT))) == len(found)


def pairs_of(body: bytes) -> list[tuple[str, Any]]:
    """The members of the outermost object, as often as they are there."""
    return list(json.loads(body, object_pairs_hook=list))


def parsed(**filters: Any) -> recipe.Recipe:
    return recipe.parse({"id": "a", "model_path": "/m", "filters": filters})


def test_a_recipe_has_them_and_says_what_they_do() -> None:
    one = parsed(strip=["seed"], set={"top_k": 20}, default={"min_p": 0.1}, clamp={"temperature": {"max": 1}, "n": [1, 2]})
    assert one.filters is not None
    assert one.filters.lines() == [
        "seed is taken out", "min_p is 0.1 where the client gives none", "top_k is always 20", "temperature is kept at most 1",
        "n is kept from 1 to 2",
    ]
    assert recipe.parse(one.stored()) == one
    assert recipe.starts_alike(one.stored(), recipe.parse({"id": "a", "model_path": "/m"})), "no engine hears of them"


@pytest.mark.parametrize(("filters", "said"), [
    ({"strip": ["model"]}, "the gateway itself goes by it"),
    ({"set": {"stream": True}}, "the gateway itself goes by it"),
    ({"strip": ["n"], "set": {"n": 1}}, "both stripped and given a value"),
    ({"clamp": {"n": [2, 1]}}, "2 is above 1"),
    ({"clamp": {"n": [None, None]}}, "n has no bound"),
    ({"clamp": {"n": 5}}, "clamp"),
    ({"clamp": {"n": ["a", 5]}}, "clamp"),
    ({"clamp": {"n": [True, 5]}}, "clamp"),
    ({"clip": {}}, "clip"),
])
def test_a_mistake_in_them_is_told(filters: dict[str, Any], said: str) -> None:
    with pytest.raises(BadRecipe) as error:
        parsed(**filters)
    assert said in error.value.detail and "filters" in error.value.detail


@given(st.dictionaries(st.text(max_size=4), st.integers(), max_size=4), st.text(alphabet=" \t\r\n", max_size=3), st.integers(0, 4))
def test_a_stream_is_made_to_tell_its_usage_by_adding_to_its_end(fields: dict[str, int], space: str, indent: int) -> None:
    fields.pop("stream_options", None)
    body = (json.dumps({"model": "m", **fields}, indent=indent or None) + space).encode()
    wish, problem = peek(body)
    assert problem is None and wish.stream_options is UNSET and not wish.asks_usage
    asking = with_usage(body)
    assert json.loads(asking) == {"model": "m", **fields, "stream_options": {"include_usage": True}}
    assert peek(asking)[0].asks_usage


@pytest.mark.parametrize("text", [
    '{"stream\\u005foptions": null}', '{"stream_options": {}}', '{"a": 1, "stream_options": {"x": 1}}',
])
def test_what_says_something_of_it_is_not_added_to(text: str) -> None:
    assert peek(text.encode())[0].stream_options is not UNSET
