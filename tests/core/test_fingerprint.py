"""Which command lines are an engine's, and what they say of themselves."""

from __future__ import annotations

import shlex

import pytest

from studio_core.engines.fingerprint import identify

# Command line → engine, model, port, served name.
ENGINES: dict[str, tuple[str, str, int | None, str]] = {
    "vllm serve Qwen/Qwen3-8B --port 8001 --served-model-name q r -tp 2": ("vllm", "Qwen/Qwen3-8B", 8001, "q"),
    "/v/bin/python3.11 -u /v/bin/vllm serve --port=8001 --tensor-parallel-size 2 /m/x": ("vllm", "/m/x", 8001, ""),
    "/v/bin/python /v/bin/vllm serve --model /m/y": ("vllm", "/m/y", None, ""),
    "python -m vllm.entrypoints.openai.api_server --model m --host 0.0.0.0": ("vllm", "m", None, ""),
    "python -X dev -W error -m vllm.entrypoints.openai.api_server --model m": ("vllm", "m", None, ""),
    "python -m vllm.entrypoints.cli.main serve m --served-model-name=n": ("vllm", "m", None, "n"),
    "python3 /v/lib/vllm/entrypoints/openai/api_server.py --model m --port 9": ("vllm", "m", 9, ""),
    "sglang serve x --port 30001": ("sglang", "x", 30001, ""),
    "python3.12 -m sglang.launch_server --model-path x --served-model-name y": ("sglang", "x", None, "y"),
    "python3 -m sglang.launch_server --model x": ("sglang", "x", None, ""),
    "/opt/llama.cpp/build/bin/llama-server -m /m/a.gguf --port 9000 -a nice,other": ("llamacpp", "/m/a.gguf", 9000, "nice"),
    "./llama-server -hf a/b:Q4": ("llamacpp", "a/b:Q4", None, ""),
    "llama-server": ("llamacpp", "", None, ""),
    "llama-server -m x --port nonsense": ("llamacpp", "x", None, ""),
    "llama-server -m x --port 70000": ("llamacpp", "x", None, ""),
    "python -m studio_core.engines.llamaserver --model m --port 7 --alias a": ("llamacpp", "m", 7, "a"),
    "venv/bin/python main.py --config x.yml --port 5001 --model-name m": ("tabbyapi", "m", 5001, ""),
    "python3 /srv/tabby/start.py": ("tabbyapi", "", None, ""),
}
# What only has an engine's words in it: vLLM Studio took many of these for one.
OTHERS = (
    "", "vim vllm serve", "grep -r vllm serve", "tail -f llama-server.log", "vllm bench serve --model m", "vllm", "vllm chat serve",
    "uv run vllm serve m", "docker run vllm/vllm-openai serve m", "python -c 'import vllm; serve' vllm serve", "python -",
    "python manage.py serve vllm", "python vllm_client.py serve", "python -m vllm_tools serve", "python -m", "python", "python -u",
    "python train_main.py --config c", "sh -c 'vllm serve m'", "llama-server-manager -m x", "my-llama-server -m x", "llama-cli",
    "VLLM::EngineCore", "sglang::scheduler", "python -m sglang.bench_serving", "watch llama-server -m x",
)


@pytest.mark.parametrize("line", ENGINES)
def test_an_engine_s_command_line(line: str) -> None:
    found = identify(shlex.split(line))
    assert found is not None
    assert (found.engine, found.model, found.port, found.served) == ENGINES[line]


@pytest.mark.parametrize("line", OTHERS)
def test_words_that_only_look_like_one(line: str) -> None:
    assert identify(shlex.split(line)) is None


def test_a_script_with_a_common_name_has_to_be_proven() -> None:
    found = identify(["python", "/srv/tabby/main.py"])
    assert found is not None and found.folder == "/srv/tabby" and found.marks
    unmarked = identify(["vllm", "serve", "m"])
    assert unmarked is not None and unmarked.marks == () and unmarked.expected_port == 8000


def test_no_word_of_a_command_line_breaks_it() -> None:
    for words in ([""], ["", "-m"], ["python", "-m", ""], ["python", ""], ["vllm", "serve", ""], ["llama-server", "--port"]):
        identify(words)
