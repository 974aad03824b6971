"""Other tools' files and folders: llama-swap, LiteLLM, Ollama, LM Studio."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from studio_core.errors import BadInput, BadRecipe, NotFound
from studio_core.importing.found import Harvest, nothing
from studio_core.importing.kind import of_folder, of_text, read_path, read_text, usual

SWAP = """\
globalTTL: 60
startPort: 10001
apiKeys: [s3cr3t]
macros:
  bin: /opt/llama/llama-server --port ${PORT}
  ctx: 4096
  args: "--ctx-size ${ctx} --seed 1"
models:
  "org/big":
    macros: {ctx: 16384}
    cmd: |
      # the large one
      ${bin}
      --model /m/${MODEL_ID}.gguf \\
      ${args}
    name: Big
    description: the big one
    env: ["CUDA_VISIBLE_DEVICES=0", "A=x y", "HF_TOKEN=s3cr3t"]
    aliases: [gpt-4o, {id: other, name: Other}]
    ttl: 300
    filters: {stripParams: "temperature, top_p,model", setParams: {top_k: 20, stream: true}, setParamsByID: {other: {seed: 1}}}
    concurrencyLimit: 4
  docker:
    cmd: docker run --name ${MODEL_ID} --rm -p ${PORT}:8080 -v /d:/models ghcr.io/ggml-org/llama.cpp:server -m /models/m.gguf
    cmdStop: docker stop ${MODEL_ID}
    unlisted: true
  vl:
    cmd: vllm serve org/vl --port ${PORT} --served-model-name inner
    cmdStop: curl -X POST "http://127.0.0.1:${PORT}/stop" --data ${PID}
    ttl: 0
  broken: {cmd: "${nowhere} --port ${PORT}"}
  sd: {cmd: "/opt/sd-server --listen-port ${PORT}"}
groups:
  pair: {swap: false, exclusive: false, persistent: true, members: ["org/big", vl]}
"""


def swap(text: str = SWAP) -> Harvest:
    kind, found = read_text(text, "", nothing)
    assert kind == "llama-swap"
    return found


def test_llama_swap() -> None:
    found = swap()
    big, docker, vl = (one.recipe() for one in found.recipes)
    assert (big.id, big.served_model_name, big.name, big.aliases) == ("big", "org/big", "Big", ["gpt-4o", "other"])
    assert (big.model_path, big.max_model_len, big.extra_args) == ("/m/org/big.gguf", 16384, {"seed": 1})
    assert (big.binary, big.port, big.idle_ttl_s) == ("/opt/llama/llama-server", None, 300.0)
    assert (big.gpus, big.env_vars, big.pin, big.tags) == (["0"], {"A": "x y"}, True, ["group:pair"])
    assert big.notes.splitlines() == [
        'llama-swap concurrencyLimit: 4', 'llama-swap filters: {"setParamsByID": {"other": {"seed": 1}}}',
        "llama-swap group pair: its members run together; other groups stay; other groups do not unload it"]
    assert big.filters is not None and (big.filters.strip, big.filters.set) == (["temperature", "top_p"], {"top_k": 20})
    assert docker.filters is None
    assert docker.runtime is not None and docker.model_path == "/d/m.gguf" and docker.idle_ttl_s == 60.0
    assert docker.tags == ["unlisted"] and "llama-swap cmdStop: docker stop docker" in docker.notes
    assert vl.stop_command == ["curl", "-X", "POST", "http://127.0.0.1:{port}/stop", "--data", "{pid}"]
    assert docker.stop_command is None and (vl.id, vl.served_model_name, vl.aliases, vl.idle_ttl_s) == ("vl", None, [], None)
    assert "s3cr3t" not in str([(one.data, one.notes) for one in found.recipes]) + str(found.notes)


def test_what_llama_swap_has_and_no_recipe_is_said() -> None:
    said = "\n".join(swap().notes)
    assert "broken: no recipe was made: the macro ${nowhere} is not declared" in said
    assert "sd: no recipe was made: the command starts no engine" in said and "apiKeys: secrets are never taken over" in said


def test_macros_that_contain_each_other_end() -> None:
    with pytest.raises(BadRecipe, match="contain each other"):
        swap("macros: {a: '${b}', b: '${a}'}\nmodels: {x: {cmd: '${a}'}}")


LITE = """\
model_list:
  - model_name: gpt-mine
    litellm_params: {model: hosted_vllm/org/m, api_base: "http://localhost:8000/v1", api_key: s3cr3t, temperature: 0.5, rpm: 6}
  - model_name: gpt-mine
    litellm_params: {model: hosted_vllm/org/m, api_base: "http://127.0.0.1:8001/v1"}
  - {model_name: a/b, litellm_params: {model: openai/x, api_base: "http://host.docker.internal:9000/v1"}}
  - {model_name: gpt-5, litellm_params: {model: gpt-5, api_key: os.environ/K}}
  - {model_name: "*", litellm_params: {model: "openai/*"}}
router_settings: {model_group_alias: {gpt-4: gpt-mine, lost: gpt-5}}
"""


def test_litellm() -> None:
    kind, found = read_text(LITE, "", nothing)
    [mine] = [one.recipe() for one in found.recipes]
    assert (kind, mine.id, mine.model_path, mine.backend, mine.aliases) == ("litellm", "gpt-mine", "org/m", "vllm", ["gpt-4"])
    assert mine.filters is not None and mine.filters.default == {"temperature": 0.5}
    said = "\n".join((*found.notes, *found.recipes[0].notes))
    for part in ("stands in the list more than once", "a/b: LiteLLM knows only the address", "gpt-5: it is served by",
                 "*: a wildcard", "alias lost of gpt-5", "not imported: rpm", "api_key is left out"):
        assert part in said
    assert "s3cr3t" not in said


def ollama(root: Path) -> Path:
    """A models folder as Ollama writes it."""
    blobs = root / "models" / "blobs"
    blobs.mkdir(parents=True)

    def layer(kind: str, number: int, text: str) -> dict[str, Any]:
        digest = f"{number:064x}"
        (blobs / f"sha256-{digest}").write_text(text)
        return {"mediaType": f"application/vnd.ollama.image.{kind}", "digest": f"sha256:{digest}", "size": len(text)}

    def manifest(path: str, *layers: dict[str, Any]) -> None:
        file = root / "models" / "manifests" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps({"schemaVersion": 2, "layers": layers}))

    weights = layer("model", 1, "GGUF...")
    params = json.dumps({"num_ctx": 8192, "temperature": 0.6, "num_gpu": 20, "stop": ["<end>"]})
    manifest("registry.ollama.ai/library/qwen3/8b", weights, layer("params", 2, params), layer("template", 3, "{{ .Prompt }}"),
             layer("system", 4, "Be kind."), layer("projector", 5, "GGUF"))
    manifest("registry.ollama.ai/me/mine/latest", weights)
    manifest("hf.co/org/repo/Q4", weights)
    manifest("registry.ollama.ai/library/cloud/latest")
    (root / "models" / "manifests" / "registry.ollama.ai" / "library" / "torn").mkdir()
    (root / "models" / "manifests" / "registry.ollama.ai" / "library" / "torn" / "latest").write_text("{")
    return root / "models"


def test_ollama(tmp_path: Path) -> None:
    models = ollama(tmp_path)
    assert of_folder(models) == of_folder(tmp_path) == "ollama"
    kind, found = read_path(tmp_path, "", nothing)
    recipes = {one.data["aliases"][0]: one.recipe() for one in found.recipes}
    assert kind == "ollama" and list(recipes) == ["hf.co/org/repo:Q4", "qwen3:8b", "me/mine:latest"]
    qwen = recipes["qwen3:8b"]
    assert (qwen.id, qwen.backend, qwen.model_path) == ("qwen3-8b", "llamacpp", str(models / "blobs" / f"sha256-{1:064x}"))
    assert qwen.max_model_len == 8192
    assert qwen.extra_args == {"mmproj": str(models / "blobs" / f"sha256-{5:064x}"), "temp": 0.6, "n_gpu_layers": "20"}
    assert qwen.notes == "Ollama's system prompt: Be kind."
    assert qwen.filters is not None and qwen.filters.default == {"stop": ["<end>"]}
    assert [note.partition(":")[0] for note in found.notes] == ["cloud", "torn"]


def test_lm_studio(tmp_path: Path) -> None:
    for name in ("org/a-GGUF/a-Q4.gguf", "org/a-GGUF/mmproj-a.gguf", "org/b/b-00001-of-00002.gguf", "org/b/b-00002-of-00002.gguf",
                 "mlx/c/config.json", "mlx/c/model.safetensors"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    kind, found = read_path(tmp_path, "", nothing)
    a, b = (one.recipe() for one in found.recipes)
    assert (kind, a.id, a.extra_args) == ("lmstudio", "a-Q4", {"mmproj": str(tmp_path / "org/a-GGUF/mmproj-a.gguf")})
    assert (b.id, b.model_path) == ("b", str(tmp_path / "org/b/b-00001-of-00002.gguf"))
    assert found.notes == ["mlx/c: MLX runs on Apple's machines only"]


def test_where_the_tools_keep_their_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("OLLAMA_MODELS", str(tmp_path / "mine"))
    with pytest.raises(NotFound, match="no models of lmstudio"):
        usual("lmstudio")
    (tmp_path / "mine").mkdir()
    (tmp_path / ".lmstudio/models").mkdir(parents=True)
    assert (usual("ollama"), usual("lmstudio")) == (tmp_path / "mine", tmp_path / ".lmstudio/models")
    with pytest.raises(BadInput, match="which file of litellm"):
        usual("litellm")


@pytest.mark.parametrize(("text", "kind"), [
    ("id: a\nmodel_path: /m", "recipe"), ("- id: a\n  model_path: /m", "recipe"), ("recipes: []", "recipe"), ("id: [", "recipe"),
    (SWAP, "llama-swap"), (LITE, "litellm"), ("A=1 vllm serve m", "command"), ("# only\nvllm serve m: x", "command"),
    ("", "command"),
])
def test_a_kind_is_seen(text: str, kind: str) -> None:
    assert of_text(text) == kind


@pytest.mark.parametrize("kind", ["ollama", "nonsense"])
def test_what_is_not_read_from_a_text(kind: str) -> None:
    with pytest.raises(BadInput, match="is not read from a text"):
        read_text("x", kind, nothing)


def test_a_bomb_and_a_wrong_file_are_refused(tmp_path: Path) -> None:
    bomb = "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
    bomb += "".join(f"{new}: &{new} [{','.join([f'*{old}'] * 10)}]\n" for old, new in zip("abcdefg", "bcdefgh", strict=True))
    with pytest.raises(BadInput, match="not valid YAML"):
        read_text(bomb + "models: {m: {cmd: x, metadata: *h}}", "llama-swap", nothing)
    for kind in ("llama-swap", "litellm"):
        with pytest.raises(BadInput, match="this is not"):
            read_text("just: this", kind, nothing)
    with pytest.raises(BadInput, match="cannot read"):
        read_path(tmp_path / "nothing", "", nothing)
    with pytest.raises(BadInput, match="is not Ollama's folder"):
        read_path(tmp_path, "ollama", nothing)
    with pytest.raises(BadRecipe, match="nothing could be imported"):
        read_path(tmp_path, "lmstudio", nothing)


def test_two_of_one_name_get_ids_of_their_own() -> None:
    _, found = read_text("vllm serve a/m & vllm serve b/m", "", nothing)
    assert [one.data["id"] for one in found.recipes] == ["m", "m-2"]
