"""The command lines of vLLM, SGLang and TabbyAPI, row by row of vLLM Studio's rules; expected ones written by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from studio_core.engines import machine, runtime
from studio_core.engines.catalog import shipped
from studio_core.engines.engine import Bench, Command
from studio_core.engines.registry import ENGINES, find
from studio_core.errors import BadRecipe
from studio_core.recipes.recipe import Recipe, parse
from studio_core.settings import Settings, load
from studio_core.supervisor.preview import HIDDEN, preview

PORT = ["--host", "127.0.0.1", "--port", "8001", "--served-model-name", "m"]
SIZES = ["--max-model-len", "32768", "--gpu-memory-utilization", "0.9", "--max-num-seqs", "256"]


@pytest.fixture
def venv(tmp_path: Path) -> Path:
    """An environment with an interpreter and vLLM's and SGLang's console scripts."""
    folder = tmp_path / "venv" / "bin"
    folder.mkdir(parents=True)
    for name in ("python", "vllm", "sglang"):
        (folder / name).write_text(f"#!{folder}/python\n")
        (folder / name).chmod(0o755)
    return folder.parent


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    return folder


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No engine on PATH, none managed, no GPUs."""
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(machine, "GPUS", tmp_path / "gpus")


def made(backend: str, venv: Path, **fields: Any) -> Recipe:
    return parse({"id": "m", "backend": backend, "model_path": "org/model", "python_path": str(venv / "bin/python"), **fields})


def command(recipe: Recipe, **chosen: Any) -> Command:
    bench = Bench("127.0.0.1", 8001, "sk-secret", Path("/inst"), load(chosen, {"HOME": "/root"}))
    return find(recipe.backend).command(recipe, bench)


def words(recipe: Recipe, **chosen: Any) -> list[str]:
    return list(command(recipe, **chosen).argv)


def settings(**chosen: Any) -> Settings:
    return load(chosen, {"HOME": "/root"})


# Which program (2.1).


def test_vllm_beside_the_interpreter(venv: Path) -> None:
    assert words(made("vllm", venv)) == [str(venv / "bin/vllm"), "serve", "org/model", *PORT, *SIZES]


def test_without_the_script_the_module_form_which_needs_the_model_as_a_flag(venv: Path) -> None:
    (venv / "bin/vllm").unlink()
    module = [str(venv / "bin/python"), "-m", "vllm.entrypoints.openai.api_server"]
    assert words(made("vllm", venv)) == [*module, "--model", "org/model", *PORT, *SIZES]


@pytest.mark.parametrize("fields", [
    {"python_path": None, "extra_args": {"venv_path": "{venv}"}},
    {"python_path": None, "extra_args": {"venv-path": "{venv}"}},
    {"python_path": None, "runtime": {"kind": "managed_venv", "ref": "{venv}"}},
    {"python_path": None, "runtime": {"kind": "venv", "ref": "{venv}"}},
    {"python_path": "/nowhere/python", "runtime": {"kind": "system", "ref": "{venv}/bin/python"}},
    {"python_path": None, "runtime": {"kind": "binary", "ref": "{venv}/bin/vllm"}},
    {"python_path": None, "binary": "{venv}/bin/vllm"},
])
def test_ways_to_name_it(venv: Path, fields: dict[str, Any]) -> None:
    filled = json.loads(json.dumps(fields).replace("{venv}", str(venv)))
    assert words(made("vllm", venv, **filled))[:2] == [str(venv / "bin/vllm"), "serve"]


def test_a_managed_one_goes_before_path(venv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(venv / "bin"))
    recipe = made("vllm", venv, python_path=None)
    assert words(recipe)[0] == str(venv / "bin/vllm")
    runtime.managed("vllm").parent.mkdir(parents=True)
    runtime.managed("vllm").symlink_to(venv)
    assert words(recipe)[0] == str(runtime.managed("vllm") / "bin/vllm")


def test_sglang_of_the_settings(venv: Path) -> None:
    recipe = made("sglang", venv, python_path=None)
    assert words(recipe, sglang_python=str(venv / "bin/python"))[:2] == [str(venv / "bin/sglang"), "serve"]
    (venv / "bin/sglang").unlink()
    module = [str(venv / "bin/python"), "-m", "sglang.launch_server", "--model-path", "org/model"]
    assert words(recipe, sglang_python=str(venv / "bin/python"))[:5] == module


@pytest.mark.parametrize(("backend", "fields", "title", "hint"), [
    ("vllm", {"python_path": None}, "no vLLM was found", "studio engines install vllm"),
    ("vllm", {"python_path": "/nowhere/python"}, "the interpreter /nowhere/python is not there", "correct python_path"),
    ("vllm", {"binary": "/nowhere/vllm"}, "the program /nowhere/vllm is not there", "correct binary"),
    ("sglang", {"python_path": None}, "no SGLang was found", "sglang_python"),
    ("tabbyapi", {}, "no TabbyAPI was found", "tabby_api_dir"),
])
def test_a_program_that_is_not_there(venv: Path, backend: str, fields: dict[str, Any], title: str, hint: str) -> None:
    recipe = made(backend, venv, **fields)
    with pytest.raises(BadRecipe) as caught:
        find(backend).command(recipe, Bench("127.0.0.1", 1, "k", Path("/i"), settings()))
    assert title in caught.value.title and hint in caught.value.hint
    with pytest.raises(BadRecipe):
        find(backend).check(recipe, settings())


# The fields (2.2).

VLLM_ROWS: list[tuple[dict[str, Any], list[str]]] = [
    ({"tp": 2}, ["--tensor-parallel-size", "2", *SIZES]),
    ({"pp": 3}, ["--pipeline-parallel-size", "3", *SIZES]),
    ({"max_model_len": 4096}, ["--max-model-len", "4096", *SIZES[2:]]),
    ({"gpu_memory_utilization": 0.5}, [*SIZES[:2], "--gpu-memory-utilization", "0.5", *SIZES[4:]]),
    ({"max_num_seqs": 8}, [*SIZES[:4], "--max-num-seqs", "8"]),
    ({"kv_cache_dtype": "fp8"}, [*SIZES, "--kv-cache-dtype", "fp8"]),
    ({"trust_remote_code": True}, [*SIZES, "--trust-remote-code"]),
    ({"tool_call_parser": "hermes"}, [*SIZES, "--tool-call-parser", "hermes", "--enable-auto-tool-choice"]),
    ({"tool_call_parser": "none", "reasoning_parser": "none"}, SIZES),
    ({"enable_auto_tool_choice": True}, SIZES),
    ({"reasoning_parser": "qwen3"}, [*SIZES, "--reasoning-parser", "qwen3"]),
    ({"quantization": "awq", "dtype": "half"}, [*SIZES, "--quantization", "awq", "--dtype", "half"]),
    ({"lora_adapters": {"a": "/x"}}, [*SIZES, "--enable-lora", "--lora-modules", "a=/x"]),
    ({"sleep_level": 1}, [*SIZES, "--enable-sleep-mode"]),
    ({"nodes": ["head", "two"], "tp": 2},
     ["--tensor-parallel-size", "2", *SIZES, "--nnodes", "2", "--node-rank", "0", "--master-addr", "head"]),
]


@pytest.mark.parametrize(("fields", "tail"), VLLM_ROWS, ids=[" ".join(fields) for fields, _ in VLLM_ROWS])
def test_a_field_of_vllm(venv: Path, fields: dict[str, Any], tail: list[str]) -> None:
    assert words(made("vllm", venv, **fields)) == [str(venv / "bin/vllm"), "serve", "org/model", *PORT, *tail]


SGLANG_SIZES = ["--context-length", "32768", "--mem-fraction-static", "0.9", "--max-running-requests", "256"]
SGLANG_ROWS: list[tuple[dict[str, Any], list[str]]] = [
    ({}, [*SGLANG_SIZES, "--enable-metrics"]),
    ({"tp": 2, "pp": 2}, ["--tensor-parallel-size", "2", "--pipeline-parallel-size", "2", *SGLANG_SIZES, "--enable-metrics"]),
    ({"kv_cache_dtype": "fp8_e5m2", "trust_remote_code": True},
     [*SGLANG_SIZES, "--kv-cache-dtype", "fp8_e5m2", "--trust-remote-code", "--enable-metrics"]),
    ({"tool_call_parser": "qwen25", "reasoning_parser": "qwen3"},
     [*SGLANG_SIZES, "--tool-call-parser", "qwen25", "--reasoning-parser", "qwen3", "--enable-metrics"]),
    ({"lora_adapters": ["a=/x"], "sleep_level": 2},
     [*SGLANG_SIZES, "--enable-metrics", "--enable-lora", "--lora-paths", "a=/x", "--enable-memory-saver"]),
    ({"sleep_level": 1}, [*SGLANG_SIZES, "--enable-metrics", "--enable-memory-saver", "--enable-weights-cpu-backup"]),
    ({"quantization": "fp8", "dtype": "half"}, [*SGLANG_SIZES, "--quantization", "fp8", "--dtype", "half", "--enable-metrics"]),
    ({"max_model_len": 4096, "gpu_memory_utilization": 0.5, "max_num_seqs": 8},
     ["--context-length", "4096", "--mem-fraction-static", "0.5", "--max-running-requests", "8", "--enable-metrics"]),
    ({"nodes": ["head", "two"], "tp": 2}, ["--tensor-parallel-size", "2", *SGLANG_SIZES, "--enable-metrics", "--nnodes", "2",
                                           "--node-rank", "0", "--dist-init-addr", "head:5000"]),
]


@pytest.mark.parametrize(("fields", "tail"), SGLANG_ROWS, ids=[" ".join(fields) or "plain" for fields, _ in SGLANG_ROWS])
def test_a_field_of_sglang(venv: Path, fields: dict[str, Any], tail: list[str]) -> None:
    head = [str(venv / "bin/sglang"), "serve", "--model-path", "org/model", "--config", "/inst/sglang.yaml"]
    assert words(made("sglang", venv, **fields)) == [*head, *PORT, *tail]


@pytest.mark.parametrize(("model", "fields", "given"), [
    ("MiniMaxAI/MiniMax-M2", {"tp": 4}, True), ("MiniMaxAI/MiniMax-M2", {}, False),
    ("Qwen/Qwen3-235B-A22B", {"tp": 8}, True), ("Qwen/Qwen3-8B", {"tp": 2}, False), ("qwen3_235b-awq", {"tp": 2}, True),
    ("Qwen/Qwen3.5-397B", {"tp": 2}, True), ("qwen3-3.5-big", {"tp": 2}, True), ("Qwen-262B", {"tp": 2}, True),
    ("minimax-m-2", {"tp": 2}, True), ("minimax-m256k", {"tp": 2}, False), ("org/minimax_m2", {"tp": 2}, True),
    ("Qwen/Qwen3.5-397B", {"pp": 2}, False),
    ("MiniMaxAI/MiniMax-M2", {"tp": 4, "extra_args": {"enable_expert_parallel": False}}, False),
])
def test_experts_are_spread_by_themselves(venv: Path, model: str, fields: dict[str, Any], given: bool) -> None:
    found = words(made("vllm", venv, model_path=model, **fields))
    assert ("--enable-expert-parallel" in found) is given


# What is extra (1.4).

EXTRA_ROWS: list[tuple[dict[str, Any], list[str]]] = [
    ({"enforce_eager": True}, ["--enforce-eager"]),
    ({"enable_prefix_caching": False}, ["--no-enable-prefix-caching"]),
    ({"seed": None, "description": "x", "tags": ["a"], "status": "stopped", "cuda_visible_devices": "0"}, SIZES[-2:]),
    ({"limit-mm-per-prompt": {"image": 2}}, ["--limit-mm-per-prompt", '{"image": 2}']),
    ({"hf_overrides": {"rope-scaling": {"rope-type": "yarn"}}}, ["--hf-overrides", '{"rope_scaling": {"rope_type": "yarn"}}']),
    ({"speculative_config": '{"method": "ngram"}'}, ["--speculative-config", '{"method": "ngram"}']),
    ({"default_chat_template_kwargs": '{"enable_thinking": false}'},
     ["--default-chat-template-kwargs", '{"enable_thinking": false}']),
    ({"future_flag": "kept"}, ["--future-flag", "kept"]),
    ({"max-num-seqs": 4}, ["--gpu-memory-utilization", "0.9", "--max-num-seqs", "4"]),
    ({"cuda-graph-notes": "fast"}, ["--cuda-graph-notes", "fast"]),
]


@pytest.mark.parametrize(("extra", "tail"), EXTRA_ROWS, ids=[" ".join(extra) for extra, _ in EXTRA_ROWS])
def test_extra_args(venv: Path, extra: dict[str, Any], tail: list[str]) -> None:
    assert words(made("vllm", venv, extra_args=extra))[-len(tail):] == tail


def test_variables_among_the_arguments_are_variables(venv: Path) -> None:
    recipe = made("vllm", venv, env_vars={"A": 1}, extra_args={"env_vars": {"B": 2, "C": None}})
    assert recipe.env_vars == {"B": "2", "A": "1"} and recipe.extra_args == {}


# Thinking (7).


@pytest.mark.parametrize(("model", "fields", "told"), [
    ("MiniMaxAI/MiniMax-M2", {}, {"max_thinking_tokens": 16000}),
    ("x/MiniMax-M2-reap-50", {}, {"max_thinking_tokens": 32000}),
    ("zai-org/GLM-4.6", {}, {"max_thinking_tokens": 8000}),
    ("deepseek-ai/DeepSeek-R1", {}, {"max_thinking_tokens": 16000}),
    ("MiniMaxAI/MiniMax-M2", {"thinking_mode": "balanced"}, {"max_thinking_tokens": 64000}),
    ("zai-org/GLM-4.5", {"thinking_mode": "auto"}, {"max_thinking_tokens": 32000}),
    ("deepseek-ai/DeepSeek-R1", {"thinking_mode": "aggressive"}, {"max_thinking_tokens": 128000}),
    ("PrimeIntellect/INTELLECT-3", {}, {"max_thinking_tokens": 16384}),
    ("MiniMaxAI/MiniMax-M2", {"thinking_mode": "disabled"}, {"enable_thinking": False}),
    ("zai-org/GLM-4.6", {"thinking_mode": "disabled"}, None),
    ("Qwen/Qwen3-8B", {}, None),
    ("Qwen/Qwen3-8B", {"max_thinking_tokens": 100}, {"max_thinking_tokens": 2048}),
    ("openai/gpt-oss-20b", {"reasoning_effort": "high"}, {"reasoning_effort": "high"}),
    ("zai-org/GLM-4.6", {"extra_args": {"default-chat-template-kwargs": {"max_thinking_tokens": 5, "a": 1}}},
     {"max_thinking_tokens": 5, "a": 1}),
])
def test_thinking(venv: Path, model: str, fields: dict[str, Any], told: dict[str, Any] | None) -> None:
    found = words(made("vllm", venv, model_path=model, **fields))
    if told is None:
        assert "--default-chat-template-kwargs" not in found
    else:
        assert json.loads(found[found.index("--default-chat-template-kwargs") + 1]) == told


# Secrets, and what is checked.


def test_no_key_is_on_a_command_line(venv: Path, model: Path, tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text("")
    for backend in ("vllm", "sglang", "tabbyapi"):
        found = command(made(backend, venv, model_path=str(model)), tabby_api_dir=str(tmp_path))
        assert not any("sk-secret" in word for word in found.argv)
    assert command(made("vllm", venv)).env == {
        "VLLM_API_KEY": "sk-secret", "VLLM_NO_USAGE_STATS": "1", "FLASHINFER_DISABLE_VERSION_CHECK": "1"}
    assert yaml.safe_load(command(made("sglang", venv)).files["sglang.yaml"]) == {"api-key": "sk-secret"}


def test_tabby_is_written_into_its_folder(venv: Path, model: Path, tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text("")
    recipe = made("tabbyapi", venv, model_path=str(model), max_model_len=1000, kv_cache_dtype="q8", tp=2,
                  tool_call_parser="qwen3_coder", extra_args={"chunk_size": 512, "logging.log_requests": True, "tags": ["x"]})
    found = command(recipe, tabby_api_dir=str(tmp_path))
    assert found.argv == (str(venv / "bin/python"), str(tmp_path / "main.py"))
    assert (found.cwd, found.env) == ("/inst", {"COLUMNS": "500"})
    assert yaml.safe_load(found.files["config.yml"]) == {
        "network": {"host": "127.0.0.1", "port": 8001, "disable_auth": False},
        "model": {"model_dir": str(tmp_path), "model_name": "model", "max_seq_len": 1000, "cache_size": 1024,
                  "cache_mode": "Q8", "tensor_parallel": True, "tool_format": "qwen3_coder", "chunk_size": 512},
        "logging": {"log_requests": True},
    }
    assert yaml.safe_load(found.files["api_tokens.yml"]) == {"api_key": "sk-secret", "admin_key": "sk-secret"}


@pytest.mark.parametrize(("backend", "fields", "said"), [
    ("vllm", {"model_path": "/nowhere/model"}, "model_path: the model folder /nowhere/model is not there"),
    ("vllm", {"model_path": "{venv}"}, "has no config.json"),
    ("vllm", {"model_path": "a/b/c"}, "is neither a folder nor a hub id"),
    ("sglang", {"gpus": ["GPU-1"], "tp": 2}, "gpus: TP x PP needs 2 GPUs here, the recipe names 1"),
    ("vllm", {"tp": 3, "nodes": ["a", "b"]}, "nodes: 3 GPUs cannot be shared by 2 nodes"),
    ("vllm", {"extra_args": {"port": 1}}, "extra_args.port: Studio sets --port itself"),
    ("vllm", {"extra_args": {"max_num_batched_tokens": "many"}}, "takes a whole number, got 'many'"),
    ("sglang", {"extra_args": {"max_lora_rank": "long"}}, "takes a whole number, got 'long'"),
    ("tabbyapi", {"nodes": ["a", "b"]}, "nodes: TabbyAPI runs on one machine"),
    ("tabbyapi", {"model_path": "org/model"}, "TabbyAPI loads folders"),
])
def test_what_is_wrong_is_known_before(
    venv: Path, model: Path, tmp_path: Path, backend: str, fields: dict[str, Any], said: str
) -> None:
    (tmp_path / "main.py").write_text("")
    filled = json.loads(json.dumps({"model_path": str(model), **fields}).replace("{venv}", str(venv)))
    recipe, chosen = made(backend, venv, **filled), settings(tabby_api_dir=str(tmp_path))
    found = preview(recipe, chosen)
    assert any(said in f"{one.field}: {one.text} {one.hint}" and one.severe for one in found.problems), found.problems
    with pytest.raises(BadRecipe):
        find(backend).check(recipe, chosen)


def test_what_a_newer_version_may_know_does_not_stop_a_launch(venv: Path, model: Path) -> None:
    recipe = made("vllm", venv, model_path=str(model), extra_args={"future_flag": 1, "swap_space": 4})
    found = preview(recipe, settings())
    assert [one.field for one in found.problems if not one.severe] == ["extra_args.future_flag", "extra_args.swap_space"]
    assert "does not swap" in found.problems[1].hint
    find("vllm").check(recipe, settings())


def test_a_preview_hides_secrets_and_says_where_a_variable_comes_from(venv: Path, model: Path) -> None:
    recipe = made("vllm", venv, model_path=str(model), env_vars={"HF_TOKEN": "hf_mine", "OMP_NUM_THREADS": "4"})
    found = preview(recipe, settings(engine_env={"NCCL_DEBUG": "INFO"}))
    shown = {one.name: (one.value, one.origin) for one in found.environment}
    assert shown["HF_TOKEN"] == (HIDDEN, "recipe") and shown["VLLM_API_KEY"] == (HIDDEN, "studio")
    assert shown["OMP_NUM_THREADS"] == ("4", "recipe") and shown["NCCL_DEBUG"] == ("INFO", "engine_env")
    assert found.problems == [] and found.argv[2] == str(model)


def test_lines_for_the_other_machines(venv: Path) -> None:
    recipe = made("vllm", venv, tp=2, nodes=["one", "two"])
    [line] = find("vllm").nodes(recipe)
    assert (line.host, line.shell.startswith("vllm serve org/model --tensor-parallel-size 2")) == ("two", True)
    assert line.shell.endswith("--nnodes 2 --node-rank 1 --master-addr one --headless")
    ray = find("vllm").nodes(made("vllm", venv, tp=2, nodes=["one", "two"], extra_args={"distributed_executor_backend": "ray"}))
    assert [(one.host, one.shell) for one in ray] == [
        ("one", "ray start --head --port=6379"), ("two", "ray start --address=one:6379"),
    ]
    for key in ("distributed-executor-backend", "--distributed-executor-backend"):
        written = made("vllm", venv, tp=2, nodes=["one", "two"], extra_args={key: "ray"})
        assert find("vllm").nodes(written) == ray
        assert "--nnodes" not in words(written) and words(written)[-2:] == ["--distributed-executor-backend", "ray"]
    [line] = find("sglang").nodes(made("sglang", venv, tp=2, nodes=["one", "two"]))
    assert line.shell.endswith("--nnodes 2 --node-rank 1 --dist-init-addr one:5000")


def test_every_machine_is_told_what_the_processes_must_agree_on(venv: Path) -> None:
    fields: dict[str, Any] = {"tp": 2, "nodes": ["one", "two"], "sleep_level": 1, "lora_adapters": {"a": "/x"}}
    [line] = find("vllm").nodes(made("vllm", venv, model_path="MiniMaxAI/MiniMax-M2", **fields))
    assert "--enable-expert-parallel --enable-lora --lora-modules a=/x --enable-sleep-mode" in line.shell
    [line] = find("sglang").nodes(made("sglang", venv, **fields))
    assert "--enable-lora --lora-paths a=/x --enable-memory-saver --enable-weights-cpu-backup" in line.shell


def test_every_machine_gets_the_recipe_s_variables_and_no_secret_s_value(venv: Path) -> None:
    env = {"NCCL_SOCKET_IFNAME": "eth 0", "HF_TOKEN": "hf_mine"}
    given = "NCCL_SOCKET_IFNAME='eth 0' HF_TOKEN=\"$HF_TOKEN\" "
    for backend, extra in (("vllm", {}), ("vllm", {"distributed_executor_backend": "ray"}), ("sglang", {})):
        lines = find(backend).nodes(made(backend, venv, tp=2, nodes=["one", "two"], env_vars=env, extra_args=extra))
        assert lines and all(line.shell.startswith(given) for line in lines)


@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_is_whole(engine: str) -> None:
    found = find(engine)
    assert found.name == engine and found.probes
    assert shipped(engine).flags


def test_parsers_of_the_family_unless_the_recipe_says_otherwise(venv: Path) -> None:
    found = words(made("vllm", venv, model_path="zai-org/GLM-4.7"))
    assert found[found.index("--tool-call-parser") + 1 :][:2] == ["glm47", "--enable-auto-tool-choice"]
    own = words(made("vllm", venv, model_path="zai-org/GLM-4.7", tool_call_parser="hermes", reasoning_parser="none"))
    assert own[own.index("--tool-call-parser") + 1] == "hermes" and "--reasoning-parser" not in own
    other = words(made("sglang", venv, model_path="Qwen/Qwen3-Coder-30B-A3B-Instruct"))
    assert other[other.index("--tool-call-parser") + 1] == "qwen3_coder"


def test_tabby_is_told_the_family_s_format_and_the_tokens_of_its_thoughts(venv: Path, tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text("")

    def told(**fields: Any) -> dict[str, Any]:
        recipe = made("tabbyapi", venv, model_path="/nowhere/gemma-4-31b-it-exl3", **fields)
        model: dict[str, Any] = yaml.safe_load(command(recipe, tabby_api_dir=str(tmp_path)).files["config.yml"])["model"]
        return {key: value for key, value in model.items() if key.startswith(("tool_", "reasoning"))}

    tokens = {"reasoning": True, "reasoning_start_token": "<|channel>thought", "reasoning_end_token": "<channel|>"}
    assert told() == {"tool_format": "gemma4", **tokens}
    assert told(tool_call_parser="mistral", reasoning_parser="none") == {"tool_format": "mistral"}
    assert told(extra_args={"tool_format": None, "reasoning": False})["reasoning"] is False
