"""Pasted commands become recipes without loss, and say what a recipe cannot hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from studio_core.errors import BadRecipe
from studio_core.importing.found import Found, local, nothing
from studio_core.importing.line import harvest
from studio_core.importing.words import words
from studio_core.recipes.recipe import parse

VLLM = {"max_model_len": None, "gpu_memory_utilization": None, "max_num_seqs": None}
NO_CONTEXT = {"ctx_size": None}


def one(text: str) -> Found:
    [found] = harvest(text, nothing).recipes
    return found


def shown(text: str) -> dict[str, Any]:
    return one(text).recipe().stored()


@pytest.mark.parametrize(("text", "recipe"), [
    ("vllm serve Qwen/Qwen3-8B", {"id": "Qwen3-8B", "model_path": "Qwen/Qwen3-8B", "backend": "vllm", "extra_args": VLLM}),
    ("vllm serve /m/q --max-model-len=8k --gpu_memory_utilization 0.8 --max-num-seqs 16 -tp 2 -pp 2 --dtype half -q awq",
     {"id": "q", "model_path": "/m/q", "backend": "vllm", "max_model_len": 8000, "gpu_memory_utilization": 0.8, "max_num_seqs": 16,
      "tensor_parallel_size": 2, "pipeline_parallel_size": 2, "dtype": "half", "quantization": "awq"}),
    ("/opt/v/bin/python3 -O -X dev -m vllm.entrypoints.openai.api_server --model org/m --served-model-name big bigger"
     " --max-model-len -1 --trust-remote-code --port 8001",
     {"id": "big", "aliases": ["bigger"], "model_path": "org/m", "python_path": "/opt/v/bin/python3", "port": 8001,
      "trust_remote_code": True,
      "extra_args": {"max_model_len": -1, "gpu_memory_utilization": None, "max_num_seqs": None}}),
    ("/opt/v/bin/vllm serve m --tool-call-parser hermes --enable-auto-tool-choice --reasoning-parser qwen3 -O3 -cc.mode=2",
     {"id": "m", "model_path": "m", "backend": "vllm", "python_path": "/opt/v/bin/python", "tool_call_parser": "hermes",
      "enable_auto_tool_choice": True, "reasoning_parser": "qwen3",
      "extra_args": {"optimization_level": "3", "compilation_config.mode": "2", **VLLM}}),
    ("vllm serve m --tool-call-parser hermes", {
        "id": "m", "model_path": "m", "backend": "vllm", "tool_call_parser": "hermes",
        "extra_args": {**VLLM, "enable_auto_tool_choice": None}}),
    ("vllm serve m --enable-lora --lora-modules a=/l/a b=org/b --max-lora-rank 64", {
        "id": "m", "model_path": "m", "backend": "vllm",
        "lora_adapters": [{"name": "a", "path": "/l/a"}, {"name": "b", "path": "org/b"}],
        "extra_args": {"max_lora_rank": "64", **VLLM}}),
    ("vllm serve m --lora-modules '{\"name\": \"a\", \"path\": \"/l/a\", \"base_model_name\": \"m\"}'", {
        "id": "m", "model_path": "m", "backend": "vllm",
        "extra_args": {"lora_modules": ['{"name": "a", "path": "/l/a", "base_model_name": "m"}'], **VLLM}}),
    ("vllm serve m --brand-new 1 --brand-new 2 --bare -x y", {
        "id": "m", "model_path": "m", "backend": "vllm",
        "extra_args": {"brand_new": ["1", "2"], "bare": True, "-x": "y", **VLLM}}),
    ("vllm serve zai-org/GLM-4.5 --tensor-parallel 8", {
        "id": "GLM-4.5", "model_path": "zai-org/GLM-4.5", "backend": "vllm", "tensor_parallel_size": 8,
        "extra_args": {**VLLM, "default_chat_template_kwargs": None}}),
    ("python -m sglang.launch_server --model-path org/m --tp 4 --dp 2 --mem-frac 0.8 --context-length 4096 --enable-metrics",
     {"id": "m", "model_path": "org/m", "backend": "sglang", "tensor_parallel_size": 4, "gpu_memory_utilization": 0.8,
      "max_model_len": 4096, "extra_args": {"dp_size": 2, "max_running_requests": None}}),
    ("sglang serve --model org/m --max-running-requests 8 --context-length 1024 --mem-fraction-static 0.7 --lora-paths a=/a",
     {"id": "m", "model_path": "org/m", "backend": "sglang", "max_num_seqs": 8, "max_model_len": 1024,
      "gpu_memory_utilization": 0.7, "lora_adapters": [{"name": "a", "path": "/a"}], "extra_args": {"enable_lora": None}}),
    ("llama-server -m /m/x-Q4_K_M.gguf -c 16384 -ngl 99 -fa on --no-repack -np 4 --metrics --verbosity 4",
     {"id": "x-Q4_K_M", "model_path": "/m/x-Q4_K_M.gguf", "backend": "llamacpp", "max_model_len": 16384, "max_num_seqs": 4,
      "extra_args": {"n_gpu_layers": "99", "flash_attn": "on", "repack": False, "kv_unified": None}}),
    ("llama-server -hf ggml-org/gemma-3-4b-it-GGUF:Q4_K_M --alias gemma,g4 -ot a=CPU -ot b=CPU", {
        "id": "gemma", "aliases": ["g4"], "model_path": "ggml-org/gemma-3-4b-it-GGUF:Q4_K_M", "backend": "llamacpp",
        "extra_args": {"override_tensor": ["a=CPU", "b=CPU"], **NO_CONTEXT}}),
    ("LLAMA_ARG_MODEL=/m/x.gguf LLAMA_ARG_CTX_SIZE=4096 LLAMA_ARG_N_GPU_LAYERS=9 llama-server", {
        "id": "x", "model_path": "/m/x.gguf", "backend": "llamacpp", "max_model_len": 4096, "extra_args": {"n_gpu_layers": "9"}}),
    ("llama-server -m /m/x.gguf -c 0", {
        "id": "x", "model_path": "/m/x.gguf", "backend": "llamacpp", "extra_args": {"ctx_size": 0}}),
    ("mlx_lm.server --model org/m", {"id": "m", "model_path": "org/m", "backend": "mlx"}),
    ("cd ~/tabbyAPI && ./venv/bin/python main.py --model-name Q --model-dir /exl --max-seq-len 8192 --cache-mode Q8 --vision true"
     " --loras '{\"name\": \"a\"}'",
     {"id": "Q", "model_path": "/exl/Q", "backend": "tabbyapi", "max_model_len": 8192, "kv_cache_dtype": "Q8", "vision": True,
      "python_path": "~/tabbyAPI/venv/bin/python", "binary": "~/tabbyAPI",
      "extra_args": {"loras": [{"name": "a"}], "cache_size": None}}),
])
def test_an_engine_s_own_command(text: str, recipe: dict[str, Any]) -> None:
    assert shown(text) == parse(recipe).stored()


@pytest.mark.parametrize(("text", "differs"), [
    ("A=1 CUDA_VISIBLE_DEVICES=0,2 vllm serve m", {"env_vars": {"A": "1"}, "gpus": ["0", "2"]}),
    ("CUDA_VISIBLE_DEVICES=GPU-1f,MIG-2e vllm serve m", {"gpus": ["GPU-1f", "MIG-2e"]}),
    ("CUDA_VISIBLE_DEVICES= HIP_VISIBLE_DEVICES=0 vllm serve m", {
        "env_vars": {"CUDA_VISIBLE_DEVICES": "", "HIP_VISIBLE_DEVICES": "0"}}),
    ("export A=1 B='x y'\nC=3\nD=4 env -u A E=5 nohup vllm serve m > log 2>&1 &", {"env_vars": {"B": "x y", "D": "4", "E": "5"}}),
    ("set -a; A=1; set +a; B=2; exec vllm serve m", {"env_vars": {"A": "1"}}),
    ("source /v/bin/activate && vllm serve m", {"python_path": "/v/bin/python"}),
    ("cd /srv && . .venv/bin/activate && python -m vllm.entrypoints.openai.api_server --model m", {
        "python_path": "/srv/.venv/bin/python"}),
    ("cd /srv; cd sub/../x && ./v/bin/vllm serve ./m", {"python_path": "/srv/x/v/bin/python", "model_path": "/srv/x/m"}),
    ("conda run -p /c/env --no-capture-output vllm serve m", {"python_path": "/c/env/bin/python"}),
    ("sudo -u me nice -n 5 numactl -N 0 --membind=0 taskset -c 0-7 timeout 60 vllm serve m", {}),
    ("uv run --with x --directory /p vllm serve ./m", {"model_path": "/p/m"}),
    ("bash -lc 'A=1 vllm serve m'", {"env_vars": {"A": "1"}}),
    ("M=org/model\nARGS=\"--dtype half\"\nvllm serve $M ${ARGS} --seed ${SEED:-7}", {
        "id": "model", "model_path": "org/model", "dtype": "half", "extra_args": {"seed": 7, **VLLM}}),
    ("$ vllm serve m \\  \n  --dtype half  # the small one\n  --seed 1", {"dtype": "half", "extra_args": {"seed": 1, **VLLM}}),
    ("vllm serve m --seed 1 | tee x", {"extra_args": {"seed": 1, **VLLM}}),
    ("vllm serve m --chat-template $'a\\tb' --response-role \"x\\\"y\"", {
        "extra_args": {"chat_template": "a\tb", "response_role": 'x"y', **VLLM}}),
])
def test_what_stands_around_it(text: str, differs: dict[str, Any]) -> None:
    assert shown(text) == parse({"id": "m", "model_path": "m", "extra_args": VLLM} | differs).stored()


@pytest.mark.parametrize(("text", "said"), [
    ("vllm serve m --host 0.0.0.0", "--host is left out: engines listen on loopback"),
    ("vllm serve m --foo 1", "--foo is no flag of vllm 0.33.0: kept in extra_args"),
    ("vllm serve m $(date)", "$(date) is kept as it is written: nothing was executed"),
    ("vllm serve m --seed `cat x`", "`cat x` is kept as it is written"),
    ("vllm serve m --chat-template $HOME/x", "$HOME is kept as it is written"),
    ("conda activate x; vllm serve m", "conda environment x: set python_path"),
    ("source ./env.sh; vllm serve m", "./env.sh was not read"),
    ("sudo vllm serve m", "sudo is left out"),
    ("taskset -c 1 vllm serve m", "taskset sets where it runs"),
    ("vllm serve m other", "'other' belongs to no flag and is left out"),
    ("vllm serve m --config x.yaml", "x.yaml could not be read"),
    ("vllm serve ./m", "./m is relative to a folder that the command does not name"),
    ("vllm serve m > log", "its output goes to Studio's log"),
])
def test_what_it_could_not_say_is_said(text: str, said: str) -> None:
    assert any(said in note for note in one(text).notes), one(text).notes


SECRET = "s3cr3t-value"


@pytest.mark.parametrize("text", [
    f"HF_TOKEN={SECRET} vllm serve m", f"vllm serve m --api-key {SECRET}", f"vllm serve m --hf-token={SECRET}",
    f"export OPENAI_API_KEY={SECRET}; vllm serve m", f"VLLM_API_KEY={SECRET} vllm serve m",
    f"LLAMA_API_KEY={SECRET} llama-server -m /x.gguf",
    f"llama-server -m /x.gguf --api-key {SECRET} -hft {SECRET}", f"sglang serve --model-path m --admin-api-key {SECRET}",
    f"sglang serve --model-path m --ssl-keyfile-password {SECRET}", f"vllm serve m --mystery-api-key {SECRET}",
    f"docker run -e HUGGING_FACE_HUB_TOKEN={SECRET} vllm/vllm-openai m --api-key {SECRET}",
    f"vllm serve m HF_TOKEN={SECRET}", f"curl -H 'Authorization: {SECRET}' x; vllm serve m",
])
def test_no_secret_comes_through(text: str) -> None:
    found = harvest(text, nothing)
    assert SECRET not in f"{[each.data for each in found.recipes]} {[each.notes for each in found.recipes]} {found.notes}"
    said = [*found.notes, *(note for each in found.recipes for note in each.notes)]
    assert any("secrets are never stored" in note or "left out" in note for note in said)


@pytest.mark.parametrize(("text", "says"), [
    ("", "it is empty"), ("rm -rf / --no-preserve-root", "it runs rm"), ("vllm bench serve", "it runs vllm"),
    ("vllm serve", "names no model"), ("python -m http.server", "it runs python"),
    ("docker run ubuntu sleep 1", "starts no engine"),
    ("docker run", "names no image"), ("vllm serve 'unclosed", ""), ("x" * 300_000, "too long"),
])
def test_what_is_no_engine_s_command(text: str, says: str) -> None:
    if not says:
        assert one(text).data["model_path"] == "unclosed"
        return
    with pytest.raises(BadRecipe) as caught:
        harvest(text, nothing)
    assert says in str(caught.value) and caught.value.hint


def test_a_script_of_several() -> None:
    found = harvest("export A=1\nvllm serve a &\nunset A\nllama-server -m /b.gguf &\necho hello\nwait\n", nothing)
    assert [(each.data["id"], each.data.get("env_vars")) for each in found.recipes] == [("a", {"A": "1"}), ("b", None)]
    assert found.notes == ["beside the engine, left out: echo"]


@pytest.mark.parametrize(("text", "recipe"), [
    ("docker run --rm -it --gpus '\"device=0,1\"' -v ~/.cache/huggingface:/hub -v /data:/models:ro "
     "-p 8000:8000 --ipc=host --shm-size 16g -e A=b --name x vllm/vllm-openai:v0.33.0 --model /models/m -tp 2",
     {"model_path": "/data/m", "gpus": ["0", "1"], "env_vars": {"A": "b"}, "tensor_parallel_size": 2,
      "runtime": {"kind": "docker", "ref": "vllm/vllm-openai:v0.33.0", "ipc": "host", "shm_size": "16g",
                  "volumes": ["~/.cache/huggingface:/hub", "/data:/models:ro"]}}),
    ("sudo docker run --gpus all -e=B=c vllm/vllm-openai vllm serve m",
     {"runtime": {"kind": "docker", "ref": "vllm/vllm-openai"}, "env_vars": {"B": "c"}}),
    ("podman run --device nvidia.com/gpu=all --entrypoint 'python3 -m' rocm/vllm vllm.entrypoints.openai.api_server --model m",
     {"runtime": {"kind": "docker", "ref": "rocm/vllm"}}),
    ("docker run --privileged --ulimit memlock=-1 rocm/vllm bash -c 'vllm serve m'",
     {"runtime": {"kind": "docker", "ref": "rocm/vllm", "ulimits": ["memlock=-1"], "args": ["--privileged"]}}),
    ("cd /srv && docker run --device /dev/kfd --device=/dev/dri --group-add video --cap-add=SYS_PTRACE -v ./hub:/hub -v cache:/c "
     "--memory 64g rocm/vllm vllm serve m",
     {"runtime": {"kind": "docker", "ref": "rocm/vllm", "volumes": ["/srv/hub:/hub", "cache:/c"],
                  "args": ["--group-add", "video", "--cap-add", "SYS_PTRACE", "--memory", "64g",
                           "--device", "/dev/kfd", "--device", "/dev/dri"]}}),
    ("docker run --mount type=bind,src=/d,dst=/models lmsysorg/sglang:latest "
     "python3 -m sglang.launch_server --model-path /models/m",
     {"backend": "sglang", "model_path": "/d/m",
      "runtime": {"kind": "docker", "ref": "lmsysorg/sglang:latest", "args": ["--mount", "type=bind,src=/d,dst=/models"]},
      "extra_args": {"context_length": None, "mem_fraction_static": None, "max_running_requests": None}}),
    ("docker run -v /d:/models ghcr.io/ggml-org/llama.cpp:server-cuda -m /models/m.gguf -c 512 --host 0.0.0.0",
     {"backend": "llamacpp", "model_path": "/d/m.gguf", "max_model_len": 512, "extra_args": {},
      "runtime": {"kind": "docker", "ref": "ghcr.io/ggml-org/llama.cpp:server-cuda", "volumes": ["/d:/models"]}}),
])
def test_a_container(text: str, recipe: dict[str, Any]) -> None:
    assert shown(text) == parse({"id": "m", "model_path": "m", "extra_args": VLLM} | recipe).stored()


def test_what_studio_does_itself_for_a_container_is_said() -> None:
    [found] = harvest("docker run -p 9000:8000 --name x --restart always --network=host vllm/vllm-openai m", nothing).recipes
    [said] = [note for note in found.notes if "itself" in note]
    assert said.startswith("--name x, --publish 9000:8000, --network host, --restart always: ")


def test_files_that_a_line_names_are_read_where_that_is_allowed(tmp_path: Path) -> None:
    (tmp_path / "env").write_text("A=1\n# no\nexport B='x y'\nHF_TOKEN=hidden\n")
    (tmp_path / "vllm.yaml").write_text("tensor-parallel-size: 4\nmax-model-len: 1024\nseed: 3\n")
    text = f"docker run --env-file {tmp_path}/env vllm/vllm-openai m"
    [found] = harvest(text, local).recipes
    assert found.data["env_vars"] == {"A": "1", "B": "x y"} and "hidden" not in str(found)
    [blind] = harvest(text, nothing).recipes
    assert "env_vars" not in blind.data and any("could not be read" in note for note in blind.notes)
    [found] = harvest(f"cd {tmp_path}; vllm serve m --config vllm.yaml --max-model-len 2048", local).recipes
    recipe = found.recipe()
    assert (recipe.tensor_parallel_size, recipe.max_model_len, recipe.extra_args["seed"]) == (4, 2048, 3)


def test_tabby_s_configuration_is_read_from_its_folder(tmp_path: Path) -> None:
    home = tmp_path / "tabbyAPI"
    home.mkdir()
    (home / "config.yml").write_text(
        "network:\n  host: 0.0.0.0\n  port: 5000\nmodel:\n  model_dir: models\n  model_name: Q\n  max_seq_len: 4096\n"
        "  cache_mode: Q6\n  gpu_split: [20, 24]\ndraft_model:\n  draft_model_name: small\n")
    [found] = harvest(f"cd {home} && python main.py --max-seq-len 8192", local).recipes
    recipe = found.recipe()
    assert (recipe.model_path, recipe.binary, recipe.max_model_len) == (f"{home}/models/Q", str(home), 8192)
    assert recipe.kv_cache_dtype == "Q6" and recipe.extra_args["gpu_split"] == [20, 24]
    assert recipe.extra_args["draft_model_name"] == "small" and recipe.port is None


def test_the_builder_writes_what_the_line_had_and_no_more() -> None:
    line = "vllm serve zai-org/GLM-4.5 --served-model-name g --tool-call-parser glm45 --seed 1"
    assert words("vllm", one(line).recipe()) == [
        "--host", "127.0.0.1", "--port", "1", "--served-model-name", "g", "--tool-call-parser", "glm45", "--seed", "1"]
