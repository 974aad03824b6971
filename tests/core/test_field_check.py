"""A recipe's own fields against the flags of the engine that is installed: every value, by the name of its field."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from studio_core.engines import inquiry, machine, package, sglang, tabbyapi, thinking, unheard, vllm
from studio_core.engines.catalog import SUCCESSORS, Catalog, shipped
from studio_core.engines.engine import stand_in
from studio_core.engines.problem import Problem, examine, problem
from studio_core.engines.registry import find
from studio_core.errors import BadRecipe
from studio_core.recipes.recipe import Recipe, parse
from studio_core.settings import Settings, load
from tests.core.installed import Installed, flag, install, without

PACKAGES = {"vllm": vllm, "sglang": sglang}
FIELDS = [(engine, field) for engine, module in PACKAGES.items() for field in module.FIELDS]


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(machine, "GPUS", tmp_path / "gpus")
    # A busy machine's interpreters are slow to start.
    monkeypatch.setattr(tabbyapi, "DOUBT_S", 120.0)
    monkeypatch.setattr(package, "DOUBT_S", 120.0)
    yield
    inquiry._SILENT.clear()


def recipe(installed: Installed, **fields: Any) -> Recipe:
    python = str(installed.python)
    return parse({"id": "m", "backend": installed.engine, "model_path": "org/model", "python_path": python, **fields})


def settings(**chosen: Any) -> Settings:
    return load(chosen, {"HOME": "/root"})


def problems(one: Recipe, ask: bool = True) -> list[Problem]:
    return list(find(one.backend).problems(one, settings(), ask))


@pytest.mark.parametrize(("engine", "fields", "said", "hint"), [
    ("vllm", {"dtype": "flaot16"}, "dtype: --dtype takes one of", "did you mean float16?"),
    ("vllm", {"kv_cache_dtype": "fp8_e4m4"}, "kv_cache_dtype: vllm 9.0 does not name 'fp8_e4m4'", "did you mean fp8_e4m3?"),
    ("vllm", {"quantization": "awk"}, "quantization: vllm 9.0 does not name 'awk'", "did you mean awq?"),
    ("vllm", {"tool_call_parser": "hermse"}, "tool_call_parser: vllm has no tool parser hermse", "did you mean hermes?"),
    ("sglang", {"dtype": "flaot16"}, "dtype: --dtype takes one of", "did you mean float16?"),
    ("sglang", {"kv_cache_dtype": "fp8"}, "kv_cache_dtype: --kv-cache-dtype takes one of", "did you mean"),
    ("sglang", {"quantization": "gptk"}, "quantization: --quantization takes one of", "did you mean gptq?"),
    ("sglang", {"reasoning_parser": "qwen33"}, "reasoning_parser: sglang has no reasoning parser qwen33", "did you mean qwen3?"),
])
def test_a_wrong_value_is_said_with_its_field(tmp_path: Path, engine: str, fields: dict[str, Any], said: str, hint: str) -> None:
    [found] = problems(recipe(install(tmp_path / "venv", engine), **fields))
    assert said in found.line and hint in found.hint


@pytest.mark.parametrize(("engine", "field"), FIELDS, ids=[f"{engine}-{field.name}" for engine, field in FIELDS])
def test_every_field_that_is_a_flag_is_looked_up(tmp_path: Path, engine: str, field: Any) -> None:
    """An engine without the flag of one field is told of by that field, and only when the recipe says it."""
    name = shipped(engine).find(field.flag)
    assert name is not None
    installed = install(tmp_path / "venv", engine, lambda table: without(table, name.name))
    value = {"trust_remote_code": True, "kv_cache_dtype": "fp8_e5m2", "quantization": "fp8", "dtype": "half"}.get(field.name, 2)
    said = {field.name: 0.5 if field.name == "gpu_memory_utilization" else value}
    found = [one for one in problems(recipe(installed, **said)) if one.severe]
    assert [(one.field, one.text) for one in found] == [(field.name, f"{engine} 9.0 has no flag {field.flag}")]


@pytest.mark.parametrize(("engine", "gone", "fields", "field"), [
    ("vllm", "--enable-sleep-mode", {"sleep_level": 1}, "sleep_level"),
    ("vllm", "--lora-modules", {"lora_adapters": {"a": "org/lora"}}, "lora_adapters"),
    ("vllm", "--nnodes", {"tp": 2, "nodes": ["a", "b"]}, "nodes"),
    ("vllm", "--enable-expert-parallel", {"tp": 8, "model_path": "MiniMaxAI/MiniMax-M2"}, "tensor_parallel_size"),
    ("sglang", "--enable-memory-saver", {"sleep_level": 1}, "sleep_level"),
    ("sglang", "--lora-paths", {"lora_adapters": {"a": "org/lora"}}, "lora_adapters"),
])
def test_what_a_field_needs_and_the_version_lacks(
    tmp_path: Path, engine: str, gone: str, fields: dict[str, Any], field: str
) -> None:
    one = recipe(install(tmp_path / "venv", engine, lambda table: without(table, gone)), **fields)
    found = [(problem.field, problem.text) for problem in problems(one) if problem.severe]
    assert found == [(field, f"{engine} 9.0 has no flag {gone}")]
    with pytest.raises(BadRecipe, match=gone):
        find(engine).check(one, settings())


def test_what_extra_args_say_instead_is_not_judged_by_the_field(tmp_path: Path) -> None:
    one = recipe(install(tmp_path / "venv", "vllm"), dtype="flaot16", extra_args={"dtype": "half"})
    assert problems(one) == []


def test_a_budget_that_the_version_cannot_be_told_does_not_stop_it(tmp_path: Path) -> None:
    installed = install(tmp_path / "venv", "vllm", lambda table: without(table, "--default-chat-template-kwargs"))
    one = recipe(installed, model_path="zai-org/GLM-4.6")
    [found] = problems(one)
    assert (found.field, found.severe) == ("thinking_mode", False) and "max_thinking_tokens is not passed" in found.text


# A doubt is settled by asking.


def named_newer(table: dict[str, Any]) -> None:
    flag(table, "--dtype")["choices"] = ["auto", "fp4"]


def test_a_value_that_only_the_shipped_table_refuses_is_asked_for_once(tmp_path: Path) -> None:
    installed = install(tmp_path / "venv", "vllm", named_newer)
    newer, older = recipe(installed, dtype="fp4"), recipe(installed, dtype="half")
    assert [(one.field, one.severe) for one in problems(newer, ask=False)] == [("dtype", False)]
    find("vllm").check(newer, settings())
    assert installed.asked == 1 and problems(newer, ask=False) == []
    with pytest.raises(BadRecipe, match="takes one of auto, fp4, got 'half'"):
        find("vllm").check(older, settings())
    assert installed.asked == 1


def test_who_has_no_doubt_waits_for_nobody(tmp_path: Path) -> None:
    installed = install(tmp_path / "venv", "vllm")
    find("vllm").check(recipe(installed, dtype="half"), settings())
    assert installed.asked == 0 and inquiry.unasked(installed.python, "vllm")


def test_an_engine_that_cannot_answer_is_believed_to_start_and_asked_once(tmp_path: Path) -> None:
    installed = install(tmp_path / "venv", "vllm", answers=False)
    for _ in range(2):
        find("vllm").check(recipe(installed, dtype="fp4"), settings())
    assert installed.asked == 1 and not inquiry.unasked(installed.python, "vllm")


def test_another_version_is_asked_anew(tmp_path: Path) -> None:
    installed = install(tmp_path / "venv", "vllm")
    assert inquiry.learn(installed.python, "vllm") and not inquiry.unasked(installed.python, "vllm")
    installed.upgrade("9.1")
    assert inquiry.unasked(installed.python, "vllm") and inquiry.kept(installed.python, "vllm") is None


# The engines that are no packages.


def test_tabby_values_are_said_with_their_field(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "main.py").write_text("")
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    (tmp_path / "python").write_text("")
    (tmp_path / "python").chmod(0o755)
    one = parse({"id": "m", "backend": "tabbyapi", "model_path": str(tmp_path / "model"), "python_path": str(tmp_path / "python"),
                 "kv_cache_dtype": "Q9"})
    [found] = find("tabbyapi").problems(one, settings(tabby_api_dir=str(tmp_path)))
    assert found.field == "kv_cache_dtype" and "Q9" in found.text and not found.severe
    pair = one.model_copy(update={"kv_cache_dtype": "6,5"})
    assert list(find("tabbyapi").problems(pair, settings(tabby_api_dir=str(tmp_path)))) == []


CHECKOUT = """from pydantic import BaseModel, Field
from typing import Annotated, List, Literal, Optional, Union
class Lora(BaseModel):
    name: Optional[str] = None
class Network(BaseModel):
    host: Optional[str] = Field("127.0.0.1", description="address")
class Model(BaseModel):
    max_seq_len: Optional[int] = None
    cache_mode: Optional[Union[Literal["FP16", "Q9"], Annotated[str, Field(pattern="x")]]] = "FP16"
    brand_new: bool = False
    pace: Literal["slow", "fast"] = "slow"
    split: List[float] = Field(default_factory=list)
    loras: Optional[List[Lora]] = None
class TabbyConfigModel(BaseModel):
    network: Optional[Network] = Field(default_factory=Network)
    model: Optional[Model] = Field(default_factory=Model)
print("said while it is imported")
"""


@pytest.fixture
def tabby(tmp_path: Path) -> tuple[Recipe, Settings]:
    """A checkout whose configuration is of another version than the shipped table, run by this interpreter."""
    home, model = tmp_path / "tabby", tmp_path / "model"
    (home / "common").mkdir(parents=True)
    model.mkdir()
    (model / "config.json").write_text("{}")
    (home / "main.py").write_text("")
    (home / "common" / "config_models.py").write_text(CHECKOUT)
    one = parse({"id": "m", "backend": "tabbyapi", "model_path": str(model), "python_path": sys.executable})
    return one, settings(tabby_api_dir=str(home))


def test_tabby_is_asked_for_its_own_options(tabby: tuple[Recipe, Settings]) -> None:
    one, chosen = tabby
    taken = tabbyapi.options(one, chosen, ask=True)
    assert taken.asked and {flag.name: (flag.kind, flag.item) for flag in taken.flags if flag.section == "model"} == {
        "--max-seq-len": ("int", "str"), "--cache-mode": ("str", "str"), "--brand-new": ("bool", "str"),
        "--pace": ("choice", "str"), "--split": ("list", "float"), "--loras": ("list", "json"),
    }
    assert taken.find("--cache-mode").known == ("FP16", "Q9")  # type: ignore[union-attr]
    extra = {"brand_new": True, "pace": "warp", "chunk_size": 1, "loras": [{"name": "x"}]}
    found = list(find("tabbyapi").problems(one.model_copy(update={"extra_args": extra}), chosen))
    assert [(each.field, each.severe) for each in found] == [("extra_args.pace", True), ("extra_args.chunk_size", True)]


def test_a_newer_tabby_is_asked_when_only_the_shipped_table_refuses(tabby: tuple[Recipe, Settings]) -> None:
    one, chosen = tabby
    newer = one.model_copy(update={"extra_args": {"brand_new": True}})
    find("tabbyapi").check(newer, chosen)
    written = yaml.safe_load(find("tabbyapi").command(newer, stand_in(chosen)).files["config.yml"])
    assert written["model"]["brand_new"] is True
    with pytest.raises(BadRecipe, match="no flag --chunk-size"):
        find("tabbyapi").check(one.model_copy(update={"extra_args": {"chunk_size": 1}}), chosen)


def test_adapters_among_tabby_s_own_arguments_are_no_crash() -> None:
    assert list(examine({"loras": [{"name": "x", "scaling": 0.5}]}, shipped("tabbyapi"), {})) == []


def test_a_server_without_a_flag_is_told_of_by_the_field(tmp_path: Path) -> None:
    model = tmp_path / "m.gguf"
    model.write_bytes(b"GGUF")
    server = tmp_path / "llama-server"
    server.write_text("#!/bin/sh\necho '--model --host --port --alias --ctx-size --metrics' | /usr/bin/tr ' ' '\\n'\n")
    server.chmod(0o755)
    one = parse({"id": "m", "backend": "llamacpp", "model_path": str(model), "binary": str(server), "max_num_seqs": 4})
    [found] = find("llamacpp").problems(one, settings())
    assert (found.field, found.text) == ("max_num_seqs", f"{server} has no flag --parallel")


# What an engine is not told.


@pytest.mark.parametrize(("backend", "fields", "said"), [
    ("llamacpp", {"tp": 2, "kv_cache_dtype": "q8_0", "sleep_level": 1, "vision": True},
     ["tensor_parallel_size", "kv_cache_dtype", "sleep_level", "vision"]),
    ("tabbyapi", {"gpu_memory_utilization": 0.5, "max_num_seqs": 8, "reasoning_effort": "high"},
     ["gpu_memory_utilization", "max_num_seqs", "reasoning_effort"]),
    ("vllm", {"vision": True}, ["vision"]), ("vllm", {"vision": False}, []), ("llamacpp", {}, []), ("tabbyapi", {}, []),
    ("vllm", {"host": "0.0.0.0", "thinking_mode": "agressive"}, ["host", "thinking_mode"]),
    ("tabbyapi", {"host": "localhost", "thinking_mode": "disabled"}, []),
    ("llamacpp", {"runtime": {"kind": "system", "ref": "/p"}}, ["runtime"]),
    ("llamacpp", {"runtime": {"kind": "binary", "ref": "/p"}}, []),
    ("vllm", {"extra_args": {"launch-command": "x", "docker_container": "c", "cuda_visible_devices": "big", "tags": ["a"]}},
     ["extra_args.launch_command", "extra_args.docker_container", "extra_args.cuda_visible_devices"]),
])
def test_a_field_that_an_engine_is_not_told_is_shown(backend: str, fields: dict[str, Any], said: list[str]) -> None:
    one = parse({"id": "m", "backend": backend, "model_path": "org/model", **fields})
    found = list(unheard.problems(one, backend, "it"))
    assert [each.field for each in found] == said and not any(each.severe for each in found) and all(each.hint for each in found)


def test_no_field_is_both_told_and_said_to_be_untold() -> None:
    for engine, module in PACKAGES.items():
        assert not {field.name for field in module.FIELDS} & set(unheard.UNHEARD[engine])
    for names in unheard.UNHEARD.values():
        assert set(names) <= set(Recipe.model_fields)


@pytest.mark.parametrize(("fields", "words"), [
    ({}, []), ({"model_path": "zai-org/GLM-4.6"}, []), ({"max_thinking_tokens": 4096}, [("--reasoning-budget", "4096")]),
    ({"max_thinking_tokens": 5, "reasoning_effort": "low"}, [("--reasoning-budget", "2048"), ("--reasoning-effort", "low")]),
])
def test_llama_cpp_is_told_the_budget_that_the_recipe_says_itself(fields: dict[str, Any], words: list[tuple[str, str]]) -> None:
    assert thinking.options(parse({"id": "m", "backend": "llamacpp", "model_path": "org/model", **fields})) == words


def test_an_older_server_starts_without_a_budget() -> None:
    one = parse({"id": "m", "backend": "llamacpp", "model_path": "org/model", "max_thinking_tokens": 4096})
    [found] = thinking.untold(one, Catalog("llamacpp", "1", (), "old", asked=True))
    assert (found.field, found.severe) == ("max_thinking_tokens", False)
    assert list(thinking.untold(one, shipped("llamacpp"))) == []


# What a family's documents pass beside its parsers.


def test_what_belongs_beside_the_parsers_is_shown_until_the_recipe_says_it(tmp_path: Path) -> None:
    installed = install(tmp_path / "venv", "vllm")
    [found] = problems(recipe(installed, model_path="deepseek-ai/DeepSeek-V3.2"))
    assert found.line == (
        "extra_args.tokenizer_mode: the documents of DeepSeek-V3.2 pass --tokenizer-mode deepseek_v32 beside its parsers "
        "(add tokenizer_mode: deepseek_v32 where tools or thoughts are not read)")
    assert not found.severe
    said = recipe(installed, model_path="deepseek-ai/DeepSeek-V3.2", extra_args={"tokenizer-mode": "auto"})
    assert problems(said) == []


# The environment.


@pytest.mark.parametrize(("name", "value", "said", "severe"), [
    ("A=B", "x", "no program can be given", True), ("A", "x\0y", "no program can be given", True),
    ("VLLM_API_KEY", "k", "Studio sets VLLM_API_KEY itself", False),
    ("CUDA_VISIBLE_DEVICES", "0", "does not know which GPUs", False),
    ("HF_HOME", "~/hub", "~/hub is not there", False), ("LD_LIBRARY_PATH", "/:/nowhere", "/nowhere is not there", False),
    ("VLLM_LOGGIN_LEVEL", "DEBUG", "vllm 9.0 reads no variable VLLM_LOGGIN_LEVEL", False),
    ("HF_HUB_OFFLINE", "1", "org/model is not in the cache", False),
])
def test_the_environment_is_checked(tmp_path: Path, name: str, value: str, said: str, severe: bool) -> None:
    installed = install(tmp_path / "venv", "vllm", lambda table: table.update(variables=["VLLM_LOGGING_LEVEL", "VLLM_PLUGINS"]))
    [found] = problems(recipe(installed, env_vars={name: value}))
    assert said in found.text and found.field == f"env_vars.{name}" and found.severe is severe
    if "LOGGIN" in name:
        assert found.hint == "did you mean VLLM_LOGGING_LEVEL?"


def test_a_good_environment_is_not_complained_of(tmp_path: Path) -> None:
    installed = install(tmp_path / "venv", "vllm", lambda table: table.update(variables=["VLLM_PLUGINS"]))
    env = {"VLLM_PLUGINS": "", "OMP_NUM_THREADS": "4", "HF_HOME": str(tmp_path), "MY_VLLM_THING": "1", "HF_HUB_OFFLINE": "0"}
    assert problems(recipe(installed, env_vars=env)) == []


# What is gone, and what to write instead.


def successors() -> list[tuple[str, str, str]]:
    """Engine, flag that is gone, and the key and value that its successor says."""
    return [(engine, gone, told.removeprefix("use ").partition(", or")[0]) for engine, rows in SUCCESSORS.items()
            for gone, told in rows.items() if re.match(r"use [a-z_]+(: \w+)?(, or .*)?$", told)]


@pytest.mark.parametrize(("engine", "gone", "told"), successors())
def test_a_successor_is_what_the_engine_takes(engine: str, gone: str, told: str) -> None:
    key, _, value = told.partition(": ")
    found = shipped(engine).find(f"--{key}")
    assert found is not None and not found.removed, f"{engine} has no {key}"
    assert not value or problem(found, value) == ""
    old = shipped(engine).find(gone)
    assert old is None or old.removed or old.deprecated


def test_a_flag_that_is_gone_is_said_with_its_successor() -> None:
    extra = {"mlock": True, "no_mmap": True, "draft_max": 8, "draft": 8}
    found = {one.field: one.hint.replace("-", "_") for one in examine(extra, shipped("llamacpp"), {})}
    assert found["extra_args.mlock"] == "use load_mode: mlock" and found["extra_args.no_mmap"] == "use load_mode: none"
    assert "spec_draft_n_max" in found["extra_args.draft_max"] and "spec_draft_n_max" in found["extra_args.draft"]
    [found_one] = examine({"enable_deepep_moe": True}, shipped("sglang"), {})
    assert found_one.hint == "use moe_a2a_backend: deepep"
