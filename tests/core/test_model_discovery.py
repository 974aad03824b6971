"""Models on disk: what counts as one, what is read of it, what broken files do not break."""

from __future__ import annotations

import json
import os
import struct
from pathlib import Path

import pytest

from studio_core.models import gguf
from studio_core.models.discovery import MODEL_LIMIT, discover, studio_models
from studio_core.recipes.recipe import parse


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value)) + value.encode()


def header(*pairs: bytes, version: int = 3) -> bytes:
    return b"GGUF" + struct.pack("<IQQ", version, 0, len(pairs)) + b"".join(pairs)


ARCHITECTURE = text("general.architecture") + struct.pack("<I", 8) + text("qwen3")
LENGTH = text("qwen3.context_length") + struct.pack("<II", 4, 40960)
TYPE = text("general.file_type") + struct.pack("<II", 4, 15)
TOKENS = text("tokenizer.ggml.tokens") + struct.pack("<IIQ", 9, 8, 3) + text("a") + text("bb") + text("")
SCORES = text("tokenizer.ggml.scores") + struct.pack("<IIQ", 9, 6, 2) + struct.pack("<ff", 1.0, 2.0)
WHOLE = header(TOKENS, ARCHITECTURE, SCORES, LENGTH, TYPE)


def test_the_header_of_a_gguf_file(tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(WHOLE + b"tensors follow")
    assert gguf.read(path) == gguf.Header("qwen3", 40960, "Q4_K_M")


@pytest.mark.parametrize("data", [
    b"", b"GGUF", b"PK\x03\x04" + bytes(100), header(ARCHITECTURE, version=1), WHOLE[:-3],
    b"GGUF" + struct.pack("<IQQ", 3, 0, 2**60),
    header(struct.pack("<Q", 2**62)),
    header(text("x") + struct.pack("<I", 99)),
    header(text("x") + struct.pack("<IIQ", 9, 77, 5)),
])
def test_a_broken_header_is_said(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(data)
    with pytest.raises(gguf.NotGguf):
        gguf.read(path)


@pytest.fixture
def models(tmp_path: Path) -> Path:
    root = tmp_path / "models"
    for folder, config in (
        ("Llama-AWQ", {"architectures": ["LlamaForCausalLM"], "max_position_embeddings": 8192,
                       "quantization_config": {"quant_method": "awq"}}),
        ("org/Vision", {"architectures": ["QwenVL"], "text_config": {"max_position_embeddings": 32768}}),
        ("broken", {"architectures": []}),
        ("deep/er/too-deep", {}),
        (".hidden/x", {}),
    ):
        (root / folder).mkdir(parents=True)
        (root / folder / "config.json").write_text(json.dumps(config) if folder != "broken" else "{")
    (root / "Llama-AWQ" / "model.safetensors").write_bytes(bytes(1000))
    (root / "Llama-AWQ" / "readme.txt").write_bytes(bytes(50))
    (root / "lone-Q4.gguf").write_bytes(WHOLE)
    (root / "cut-fp8.gguf").write_bytes(WHOLE[:10])
    for part in ("big-00001-of-00002.gguf", "big-00002-of-00002.gguf", "mmproj-big.gguf"):
        (root / part).write_bytes(WHOLE)
    return root


def test_what_counts_and_what_is_read(models: Path) -> None:
    found = {model.name: model for model in discover([models], [])}
    assert set(found) == {"Llama-AWQ", "Vision", "broken", "lone-Q4.gguf", "cut-fp8.gguf", "big-00001-of-00002.gguf"}
    awq = found["Llama-AWQ"]
    assert (awq.size_bytes, awq.architecture, awq.context_length, awq.quantization) == (1000, "LlamaForCausalLM", 8192, "awq")
    assert found["Vision"].context_length == 32768
    assert (found["lone-Q4.gguf"].architecture, found["lone-Q4.gguf"].quantization) == ("qwen3", "Q4_K_M")
    assert (found["cut-fp8.gguf"].architecture, found["cut-fp8.gguf"].quantization) == (None, "fp8")
    assert found["big-00001-of-00002.gguf"].size_bytes == 2 * len(WHOLE)
    assert found["broken"].architecture is None


def test_recipes_add_roots_and_names(models: Path, tmp_path: Path) -> None:
    recipes = [
        parse({"id": "a", "model_path": str(models / "Llama-AWQ")}),
        parse({"id": "b", "model_path": str(models / "lone-Q4.gguf")}),
        parse({"id": "hub", "model_path": "org/name"}),
    ]
    snapshot = tmp_path / "hub" / "models--org--name" / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text('{"architectures": ["Qwen3ForCausalLM"]}')
    (snapshot / "model.safetensors").write_bytes(b"12345")
    answer = studio_models(str(tmp_path / "none"), recipes, {"HF_HUB_CACHE": str(tmp_path / "hub")})
    assert answer["configured_models_dir"] == str(tmp_path / "none")
    assert answer["roots"] == [
        {"path": str(tmp_path / "none"), "exists": False, "sources": ["config"], "recipe_ids": []},
        {"path": str(models), "exists": True, "sources": ["recipe"], "recipe_ids": ["a", "b"]},
    ]
    ids = {model["name"]: model["recipe_ids"] for model in answer["models"] if model["has_recipe"]}
    assert ids == {"Llama-AWQ": ["a"], "lone-Q4.gguf": ["b"], "org/name": ["hub"]}
    of_hub = answer["models"][-1]
    assert (of_hub["path"], of_hub["size_bytes"], of_hub["architecture"]) == ("org/name", 5, "Qwen3ForCausalLM")


def test_loops_and_crowds_end(tmp_path: Path) -> None:
    os.symlink(tmp_path, tmp_path / "loop")
    for number in range(MODEL_LIMIT + 5):
        (tmp_path / f"{number}.gguf").touch()
    assert len(discover([tmp_path, tmp_path], [])) == MODEL_LIMIT
