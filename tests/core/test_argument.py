"""Every flag of every table: what a recipe says of it becomes words, and the words become what the recipe said."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from studio_core.engines import helptext
from studio_core.engines.argument import arguments, expand
from studio_core.engines.catalog import Catalog, Flag, limited, shipped
from studio_core.engines.problem import examine, insist, problem
from studio_core.engines.reading import read
from studio_core.errors import BadRecipe
from studio_core.recipes.inner import is_inner

ENGINES = ("vllm", "sglang", "llamacpp")
# Words that no shell and no parser takes for a flag or for several values.
WORD = st.text(st.characters(categories=("L", "N"), include_characters="_./:"), min_size=1, max_size=12)
KEY = st.from_regex(r"[a-z][a-z_]{0,8}", fullmatch=True)
JSON = st.dictionaries(KEY, st.one_of(st.integers(), st.booleans(), WORD, st.lists(st.integers(), max_size=3)), max_size=3)
# Some flags per test: a test of its own for each of the 1,100 is more than Hypothesis' runner takes.
BLOCK = 24
FLAGS = {engine: [flag for flag in shipped(engine).flags if not flag.positional] for engine in ENGINES}
BLOCKS = [(engine, start) for engine in ENGINES for start in range(0, len(FLAGS[engine]), BLOCK)]


def values(flag: Flag, kind: str) -> st.SearchStrategy[Any]:
    """What a recipe may say of a flag of this kind, as it is read back."""
    return {
        "bool": st.just(True) if flag.negation is None else st.booleans(),
        "int": st.integers(-5, 10**6),
        "float": st.floats(0.001, 100).map(lambda number: round(number, 3)),
        "str": WORD.filter(lambda word: not word.isdigit()),
        "choice": st.sampled_from(flag.choices) if flag.choices else st.nothing(),
        "json": JSON,
    }[kind]


def key_of(flag: Flag) -> str:
    """One that is called like a key of Studio's own is written with its dashes."""
    key = flag.name.lstrip("-").partition(".")
    plain = key[0].replace("-", "_") + key[1] + key[2]
    return flag.name if is_inner(plain) else plain


def value_of(flag: Flag) -> st.SearchStrategy[Any]:
    if flag.kind != "list":
        return values(flag, flag.kind)
    return st.lists(values(flag, flag.item), min_size=flag.count or 1, max_size=flag.count or 4)


@pytest.mark.parametrize(("engine", "start"), BLOCKS)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.large_base_example, HealthCheck.data_too_large])
@given(data=st.data())
def test_every_flag_goes_there_and_back(engine: str, start: int, data: st.DataObject) -> None:
    for flag in FLAGS[engine][start : start + BLOCK]:
        there_and_back(shipped(engine), flag, data.draw(value_of(flag)))


def there_and_back(catalog: Catalog, flag: Flag, value: Any) -> None:
    assert problem(flag, value) == ""
    key = key_of(flag)
    words = arguments([], {key: value}, catalog)
    found = read(words, catalog)
    assert (found.words, found.unknown) == ([], [])
    # A choice of numbers is read as text.
    assert list(found.values) == [key] and (found.values[key] == value or str(found.values[key]) == str(value))


@pytest.mark.parametrize("engine", ENGINES)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_many_flags_at_once(engine: str, data: st.DataObject) -> None:
    catalog = shipped(engine)
    flags = data.draw(st.lists(st.sampled_from(FLAGS[engine]), max_size=8, unique=True))
    extra = {key_of(flag): data.draw(value_of(flag)) for flag in flags}
    found = read(arguments([], extra, catalog), catalog)
    assert {name: str(value) for name, value in found.values.items()} == {name: str(value) for name, value in extra.items()}


SMALL = Catalog("vllm", "1", (
    Flag("--max-model-len", "int", human=True), Flag("--enforce-eager", "bool", negations=("--no-enforce-eager",)),
    Flag("--trust-remote-code", "bool"), Flag("--dtype", "choice", choices=("auto", "half")),
    Flag("--compilation-config", "json", aliases=("-O",), dotted=True), Flag("--lora-modules", "list"),
    Flag("--allowed", "list", style="comma", item="int"), Flag("--file", "list", style="repeat"),
    Flag("--range", "list", item="int", count=2), Flag("--token", "str", optional=True),
    Flag("--gone", "str", removed=True, replacement="--new"), Flag("--old", "str", deprecated=True, help="no effect"),
    Flag("--speculative-config", "json"), Flag("-ngl", "int"),
), "vllm 1")


@pytest.mark.parametrize(("key", "value", "words"), [
    ("max_model_len", 4096, ["--max-model-len", "4096"]),
    ("max-model-len", "8k", ["--max-model-len", "8k"]),
    ("enforce_eager", True, ["--enforce-eager"]),
    ("enforce_eager", False, ["--no-enforce-eager"]),
    ("trust_remote_code", False, []),
    ("dtype", None, []),
    ("compilation_config", {"cudagraph-mode": {"a-b": [{"c-d": 1}]}}, ["--compilation-config",
                                                                       '{"cudagraph_mode": {"a_b": [{"c_d": 1}]}}']),
    ("compilation_config.level", 3, ["--compilation-config.level", "3"]),
    ("speculative_config", '{"method": "ngram"}', ["--speculative-config", '{"method": "ngram"}']),
    ("lora_modules", ["a=/x", "b=/y"], ["--lora-modules", "a=/x", "b=/y"]),
    ("allowed", [1, 2], ["--allowed", "1,2"]),
    ("file", ["a", "b"], ["--file", "a", "--file", "b"]),
    ("ngl", 99, ["-ngl", "99"]),
    ("unheard_of", [1, 2], ["--unheard-of", "1", "--unheard-of", "2"]),
    ("unheard_of", {"a-b": 1}, ["--unheard-of", '{"a_b": 1}']),
    ("description", "mine", []),
    ("env-vars", {"A": "1"}, []),
])
def test_words(key: str, value: Any, words: list[str]) -> None:
    assert arguments([], {key: value}, SMALL) == words


def test_what_is_extra_wins_over_the_structured_field_in_any_spelling() -> None:
    base = [("--max-model-len", "1"), ("--dtype", "auto"), ("-O", "{}")]
    extra = {"max-model-len": 2, "compilation_config": {"level": 1}}
    assert arguments(base, extra, SMALL) == ["--dtype", "auto", "--max-model-len", "2", "--compilation-config", '{"level": 1}']


@pytest.mark.parametrize(("key", "value", "said", "severe"), [
    ("max_modle_len", 1, "has no flag --max-modle-len|did you mean --max-model-len?", True),
    ("swap_space", 4, "has no flag --swap-space|remove it: the V1 engine does not swap", True),
    ("benchmark_notes_20260101", "fast", "has no flag|is it a note? write it into notes or description", True),
    ("max_model_len", "long", "--max-model-len takes a whole number, got 'long'|", True),
    ("max_model_len", True, "--max-model-len needs a value: a whole number|", True),
    ("dtype", "tall", "--dtype takes one of auto, half, got 'tall'|", True),
    ("trust_remote_code", "false", "--trust-remote-code takes true or false, got 'false'|", True),
    ("compilation_config", "{level", "--compilation-config takes JSON, got '{level'|", True),
    ("range", [1], "--range takes 2 values, got 1|", True),
    ("allowed", "1,x", "--allowed takes a list, got 'x'|", True),
    ("gone", "x", "--gone is gone|use --new", True),
    ("old", "x", "--old is deprecated|no effect", False),
    ("port", 1, "has no flag --port|", True),
])
def test_problems(key: str, value: Any, said: str, severe: bool) -> None:
    asked = Catalog(SMALL.engine, SMALL.version, SMALL.flags, SMALL.label, asked=True)
    [found] = list(examine({key: value}, asked, {}))
    text, _, hint = said.partition("|")
    assert text in found.text and hint in found.hint and found.severe is severe


def test_a_shipped_table_may_be_of_another_version() -> None:
    unknown, tall = examine({"brand_new": 1, "dtype": "tall"}, SMALL, {})
    assert (unknown.severe, tall.severe) == (False, False) and unknown.doubtful and tall.doubtful
    insist([unknown, tall])


def test_all_that_is_severe_is_named() -> None:
    asked = replace(SMALL, asked=True)
    with pytest.raises(BadRecipe) as caught:
        insist(examine({"dtype": "x", "range": [1], "max_model_len": 5}, asked, {"--max-model-len": "use the field"}))
    assert caught.value.title.startswith("--dtype takes one of")
    assert caught.value.detail == "in extra_args.dtype; also wrong: extra_args.range, extra_args.max_model_len"


@pytest.mark.parametrize(("line", "values", "words", "unknown"), [
    ("serve m --max_model_len=8k -O {} --x --y 1 -5", {"max_model_len": "8k", "compilation_config": {}, "x": True, "y": "1"},
     ["serve", "m", "-5"], ["--x", "--y"]),
    ("--compilation-config.level 3 --file a --file b --range 1 2 m", {
        "compilation_config.level": "3", "file": ["a", "b"], "range": [1, 2]}, ["m"], []),
    ("--token --enforce-eager --no-enforce-eager", {"token": True, "enforce_eager": False}, [], []),
])
def test_reading(line: str, values: dict[str, Any], words: list[str], unknown: list[str]) -> None:
    found = read(line.split(), SMALL)
    assert (found.values, found.words, found.unknown) == (values, words, unknown)


def test_a_program_that_tells_only_names_gets_types_from_the_table() -> None:
    found = limited(shipped("llamacpp"), [helptext.named({"-c", "--ctx-size"}), helptext.named({"--brand-new", "-bn"})], "mine")
    assert [(flag.name, flag.kind) for flag in found.flags] == [("--ctx-size", "int"), ("--brand-new", "any")]
    assert found.asked and found.find("--port") is None
    assert [words for words in expand("brand_new", [1, 2], found)] == [("--brand-new", "1"), ("--brand-new", "2")]


HELP = """\
----- common params -----

-c,    --ctx-size N                     size of the prompt context (default: 0)
                                        (env: LLAMA_ARG_CTX_SIZE)
--mmap, --no-mmap                       DEPRECATED in favor of `--load-mode`: whether to memory-map model. (if
                                        mmap disabled, slower load but may reduce pageouts if not using mlock)
-dio,  --direct-io, -ndio, --no-direct-io
                                        DEPRECATED in favor of `--load-mode`: use DirectIO if available
                                        (env: LLAMA_ARG_DIO)
--lora-scaled FNAME:SCALE,...           path to LoRA adapter with user defined scaling
--control-vector-layer-range START END
                                        layer range to apply the control vector(s) to, start and end inclusive
--draft, --draft-n, --draft-max N       the argument has been removed. use --spec-draft-n-max or
                                        --spec-ngram-mod-n-max
                                        (env: LLAMA_ARG_DRAFT_MAX)
--spec-ngram-size-m N                   the argument has been removed. use the respective
                                        --spec-ngram-*-size-m


----- example-specific params -----

--tags STRING                           set model tags, comma-separated (informational, not used for routing)
"""


def test_what_a_help_text_tells_of_flags() -> None:
    """As llama-server b10434 prints it: a description that goes on with a flag's name names none."""
    found = {flag.name: flag for flag in helptext.flags(HELP)}
    assert list(found) == [
        "--ctx-size", "--mmap", "--direct-io", "--lora-scaled", "--control-vector-layer-range", "--draft-max",
        "--spec-ngram-size-m", "--tags",
    ]
    mmap, direct, draft, size = (found[name] for name in ("--mmap", "--direct-io", "--draft-max", "--spec-ngram-size-m"))
    assert (mmap.kind, mmap.negations, mmap.deprecated, mmap.removed) == ("bool", ("--no-mmap",), True, False)
    assert (direct.aliases, set(direct.negations), direct.replacement) == (("-dio",), {"-ndio", "--no-direct-io"}, "--load-mode")
    assert found["--ctx-size"].aliases == ("-c",) and found["--control-vector-layer-range"].kind == "any"
    assert set(draft.aliases) == {"--draft", "--draft-n"} and draft.removed
    assert draft.replacement == "--spec-draft-n-max or --spec-ngram-mod-n-max"
    assert size.replacement == "the respective --spec-ngram-*-size-m"


def test_what_the_program_says_is_gone_is_refused_with_its_successor() -> None:
    mine = limited(shipped("llamacpp"), helptext.flags(HELP), "mine")
    [gone, old] = examine({"draft-max": 4, "no-mmap": True}, mine, {})
    assert (gone.severe, gone.text, gone.hint) == (
        True, "--draft-max is gone", "use --spec-draft-n-max or --spec-ngram-mod-n-max")
    assert (old.severe, old.hint) == (False, "use --load-mode")


@pytest.mark.parametrize("engine", [*ENGINES, "tabbyapi"])
def test_a_table_is_whole(engine: str) -> None:
    catalog = shipped(engine)
    assert catalog.version and len(catalog.flags) > 70
    names = [spelling for flag in catalog.flags for spelling in flag.spellings]
    assert len(names) == len(set(names))
    assert json.dumps([flag.name for flag in catalog.flags if flag.kind == "choice" and not flag.choices]) == "[]"
