"""A recipe as a line, and the line as that recipe again: over all flags of all tables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from studio_core.bench.flags import ENGINES, is_ours, measure
from studio_core.engines.catalog import Flag
from studio_core.errors import BadRecipe
from studio_core.importing.field import FIELDS, MODEL, NAMES, OURS, key
from studio_core.importing.found import nothing
from studio_core.importing.line import harvest
from studio_core.importing.words import catalog_of
from studio_core.importing.written import command, written
from studio_core.recipes.recipe import Recipe, parse
from tests.core.control import control
from tests.core.test_argument import JSON, key_of, value_of

MODELS = {"vllm": "org/m", "sglang": "/m/m", "llamacpp": "/m/m.gguf", "tabbyapi": "/m/m"}
ROWS = [(engine, flag) for engine in ENGINES for flag in catalog_of(engine).flags
        if not flag.positional and not is_ours(engine, flag) and key(flag.name) not in (*MODEL[engine], NAMES.get(engine), "port")]
# Some flags per test: a test of its own for each is more than Hypothesis' runner takes.
BLOCK = 24
SOME = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=12)


def values(engine: str, flag: Flag) -> st.SearchStrategy[Any]:
    if engine == "tabbyapi" and flag.kind == "json":
        return st.booleans() if isinstance(flag.default, bool) else JSON
    return st.lists(JSON, min_size=1, max_size=2) if flag.item == "json" else value_of(flag)


def read(text: str) -> Recipe:
    [found] = harvest(text, nothing).recipes
    return found.recipe()


@pytest.mark.parametrize("start", range(0, len(ROWS), BLOCK))
@settings(max_examples=2, deadline=None, suppress_health_check=[HealthCheck.large_base_example, HealthCheck.data_too_large])
@given(data=st.data())
def test_every_flag_of_a_recipe_comes_back(start: int, data: st.DataObject) -> None:
    for engine, flag in ROWS[start : start + BLOCK]:
        comes_back(engine, flag, data.draw(values(engine, flag)))


def comes_back(engine: str, flag: Flag, value: Any) -> None:
    name = key_of(flag)
    recipe = parse({"id": "m", "model_path": MODELS[engine], "backend": engine, "extra_args": {name: value}})
    assert read(written(recipe).text) == recipe
    if key(flag.name) not in (*FIELDS[engine], *OURS[engine]):
        # By its words alone, without the comment.
        extra = read(command(engine, recipe)).extra_args
        assert str(extra.get(name)) == str(value) or json.dumps(extra.get(name)) == json.dumps(value)


@pytest.mark.parametrize("engine", ENGINES)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_a_whole_recipe_comes_back(engine: str, data: st.DataObject) -> None:
    flags = data.draw(st.lists(st.sampled_from([flag for name, flag in ROWS if name == engine]), max_size=5, unique=True))
    fields = data.draw(st.fixed_dictionaries({}, optional={
        "name": SOME, "notes": st.text(max_size=20), "tags": st.lists(SOME, max_size=2), "description": SOME,
        "env_vars": st.dictionaries(st.from_regex(r"[A-Z][A-Z_]{2,6}_X", fullmatch=True), SOME, max_size=3),
        "gpus": st.lists(st.sampled_from(["0", "1", "GPU-1f-2"]), min_size=1, max_size=2), "port": st.integers(1, 65535),
        "tp": st.integers(1, 8), "max_model_len": st.integers(1, 10**6), "max_num_seqs": st.integers(1, 512),
        "gpu_memory_utilization": st.sampled_from([0.5, 0.9, 0.95, 1.0]), "trust_remote_code": st.booleans(),
        "tool_call_parser": st.sampled_from([None, "none", "hermes"]), "served_model_name": st.sampled_from(["a/b", "Big", "m"]),
        "aliases": st.lists(st.sampled_from(["x", "y z", "o/p"]), unique=True, max_size=2), "idle_ttl_s": st.floats(1, 99),
        "python_path": st.sampled_from(["/v/bin/python3.11", "/odd name/py"]), "restart": st.sampled_from(["always", "never"]),
        "binary": st.sampled_from(["/b/llama-server", "/b/odd"]), "stop_command": st.just(["a", "b c"]), "pin": st.booleans(),
        "lora_adapters": st.sampled_from([[{"name": "l", "path": "/l"}], [{"name": "b", "path": "/a/b.gguf", "scale": 0.5}]]),
        "vision": st.booleans(), "thinking_mode": st.just("disabled"),
        "runtime": st.sampled_from([{"kind": "docker", "ref": "vllm/vllm-openai:x"}, {"kind": "docker", "ref": "any/other"},
                                    {"kind": "docker"}, {"kind": "docker", "ref": "any/other", "shm_size": "8g", "ipc": "host",
                                     "volumes": ["/a:/b:ro", "v:/c"], "ulimits": ["nofile=9:9"],
                                     "args": ["--privileged", "--memory", "9g"]},
                                    {"kind": "managed_venv", "ref": "/v"}]),
    }))
    extra = {key_of(flag): data.draw(values(engine, flag)) for flag in flags}
    recipe = parse({"id": "m", "model_path": MODELS[engine], "backend": engine, "extra_args": extra, **fields})
    assert read(written(recipe).text) == recipe


def test_the_line_is_what_a_person_would_write() -> None:
    recipe = parse({"id": "q", "model_path": "org/q", "gpus": ["1"], "env_vars": {"A": "it's"}, "tp": 2, "aliases": ["r"],
                    "extra_args": {"max_num_seqs": None, "gpu_memory_utilization": None, "enforce_eager": True}})
    assert written(recipe).text == (
        "CUDA_VISIBLE_DEVICES=1 A='it'\"'\"'s' vllm serve org/q --port ${PORT:-8000} --served-model-name q r"
        " --tensor-parallel-size 2 --max-model-len 32768 --enforce-eager")


def test_a_container_s_line_says_all_that_the_recipe_asks_of_its_runtime() -> None:
    recipe = parse({"id": "m", "model_path": "org/m", "runtime": {
        "kind": "docker", "ref": "vllm/vllm-openai:x", "volumes": ["/hub:/hub"], "shm_size": "8g", "ulimits": ["memlock=-1"],
        "args": ["--cap-add", "SYS_PTRACE"]}})
    text = written(recipe).text
    assert text.startswith("docker run --rm --gpus all --network=host --shm-size 8g --ulimit memlock=-1 --volume /hub:/hub"
                           " --cap-add SYS_PTRACE vllm/vllm-openai:x")
    assert "#" not in text and read(text) == recipe


def test_secrets_stay_out_of_it() -> None:
    recipe = parse({"id": "q", "model_path": "org/q", "env_vars": {"HF_TOKEN": "s3cr3t"}, "extra_args": {"hf_token": "s3cr3t"}})
    found = written(recipe)
    assert "s3cr3t" not in found.text and len(found.notes) == 2


def test_what_cannot_be_started_has_no_line() -> None:
    with pytest.raises(BadRecipe, match="transformers cannot be started"):
        written(parse({"id": "q", "model_path": "org/q", "backend": "transformers"}))


def test_the_figure_is_whole() -> None:
    rows = measure()
    assert [row.value for row in rows] == [100.0] * len(ENGINES), [row.note for row in rows]


async def test_over_http(tmp_path: Path) -> None:
    async with control(tmp_path) as house, house.guest("read") as reader:
        await house.owner.post("/recipes", json={"id": "q", "model_path": "/m/q.gguf", "backend": "llamacpp", "max_model_len": 512})
        line = (await house.owner.get("/recipes/q/shell")).json()["line"]
        assert line == "llama-server -m /m/q.gguf --port ${PORT:-8000} --alias q --ctx-size 512 --metrics --verbosity 4"
        assert (await reader.get("/recipes/q/shell")).status_code == 403
        [again] = (await house.owner.post("/recipes/import", json={"text": line})).json()["recipes"]
        assert again["recipe"] == (await house.owner.get("/recipes/q")).json()["recipe"]
