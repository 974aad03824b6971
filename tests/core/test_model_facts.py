"""What a model's folder, GGUF file or place in the hub's cache tells, also when it is broken."""

from __future__ import annotations

import json
import os
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from studio_core.engines import parser
from studio_core.models import facts
from studio_core.models.facts import ModelFacts, read

CONFIG = {"architectures": ["Glm4MoeForCausalLM"], "model_type": "glm4_moe", "_name_or_path": "zai-org/GLM-4.7"}
TOKENIZER = {"chat_template": "from the tokenizer", "added_tokens_decoder": {
    "1": {"content": "<think>"}, "2": {"content": "<|reserved_7|>"}, "3": "odd"}}


def folder(path: Path, **files: Any) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        stem, _, ending = name.rpartition("_")
        text = content if isinstance(content, str) else json.dumps(content)
        (path / f"{stem}.{ending}").write_text(text, encoding="utf-8")
    return path


def test_a_folder_tells_architecture_names_template_and_tokens(tmp_path: Path) -> None:
    path = folder(tmp_path / "my-tune", config_json=CONFIG, tokenizer_config_json=TOKENIZER)
    assert read(str(path), "shown") == ModelFacts(
        ("my-tune", "GLM-4.7"), ("Glm4MoeForCausalLM",), "glm4_moe", "from the tokenizer", frozenset({"<think>"}), "shown")


def test_the_template_s_own_file_counts_first_then_the_older_form(tmp_path: Path) -> None:
    path = folder(tmp_path / "m", tokenizer_config_json=TOKENIZER, chat_template_json={"chat_template": "from json"})
    assert read(str(path)).template == "from json"
    folder(path, chat_template_jinja="from jinja")
    assert read(str(path)).template == "from jinja", "a changed folder is read again"


def test_several_templates_count_together(tmp_path: Path) -> None:
    named = [{"name": "default", "template": "a"}, {"name": "tool_use", "template": "<tool_call>"}, 7]
    assert read(str(folder(tmp_path / "m", tokenizer_config_json={"chat_template": named}))).template == "a\n<tool_call>"


@pytest.mark.parametrize("name", ["checkpoint-500", "model", "snapshot"])
def test_a_folder_without_a_name_of_its_own_takes_the_one_above(tmp_path: Path, name: str) -> None:
    assert read(str(folder(tmp_path / "GLM-4.7-tune" / name))).names == (name, "GLM-4.7-tune")
    assert read(str(folder(tmp_path / "qwen3" / "own-name"))).names == ("own-name",)


def hub(root: Path, revision: str, **files: Any) -> Path:
    return folder(root / "models--zai-org--GLM-4.7" / "snapshots" / revision, **files)


def test_a_hub_id_is_looked_up_in_the_cache(tmp_path: Path) -> None:
    told = read("zai-org/GLM-4.7", environ={"HF_HUB_CACHE": str(tmp_path)})
    assert told == ModelFacts(("GLM-4.7",)), "not downloaded: the name alone"
    new, old = hub(tmp_path, "b", config_json={"model_type": "new"}), hub(tmp_path, "a", config_json=CONFIG)
    os.utime(old, (1, 1))
    for variables in ({"HF_HUB_CACHE": str(tmp_path)}, {"HF_HOME": str(link(tmp_path, "hub").parent)},
                      {"XDG_CACHE_HOME": str(link(tmp_path, "huggingface/hub").parents[1])}):
        assert read("zai-org/GLM-4.7", environ=variables).model_type == "new"
    (new.parents[1] / "refs").mkdir()
    (new.parents[1] / "refs" / "main").write_text("a\n", encoding="ascii")
    assert read("zai-org/GLM-4.7", environ={"HF_HUB_CACHE": str(tmp_path)}).architectures == ("Glm4MoeForCausalLM",)


def link(cache: Path, name: str) -> Path:
    path = cache.parent / f"{cache.name}-{name.count('/')}" / name
    path.parent.mkdir(parents=True)
    path.symlink_to(cache)
    return path


def test_a_snapshot_s_folder_is_named_by_its_hub_id(tmp_path: Path) -> None:
    assert read(str(hub(tmp_path, "0123abc"))).names == ("0123abc", "GLM-4.7")


def gguf_file(path: Path, **texts: str) -> Path:
    """A header with string values only; a double underscore is a dot."""
    def text(value: str) -> bytes:
        data = value.encode()
        return struct.pack("<Q", len(data)) + data

    pairs = b"".join(text(key.replace("__", ".")) + struct.pack("<I", 8) + text(value) for key, value in texts.items())
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 0, len(texts)) + pairs)
    return path


def test_a_gguf_file_tells_its_template_and_names(tmp_path: Path) -> None:
    path = gguf_file(tmp_path / "GLM-4.7-GGUF" / "q4.gguf", general__name="Glm 4.7", tokenizer__chat_template="<think>")
    assert read(str(path)) == ModelFacts(("q4", "GLM-4.7-GGUF", "Glm 4.7"), template="<think>")
    assert parser.choose("vllm", read(str(path))).reasoning.name == "glm47"


BROKEN = st.sampled_from([
    "", "{", "[]", "null", "7", '{"architectures": 7, "model_type": []}', '{"architectures": [1, null]}', '"x"', "[" * 5000,
    '{"chat_template": {"a": 1}, "added_tokens_decoder": [1]}', '{"_name_or_path": 3, "chat_template": [[1]]}', "\ud800",
]) | st.text(max_size=30)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(config=BROKEN, tokenizer=BROKEN, template=BROKEN)
def test_broken_files_tell_nothing_and_raise_nothing(tmp_path: Path, config: str, tokenizer: str, template: str) -> None:
    facts._read.cache_clear()
    path = tmp_path / "m"
    path.mkdir(exist_ok=True)
    for name, text in zip(facts.FILES, (config, tokenizer, "", template), strict=True):
        (path / name).write_bytes(text.encode("utf-8", "surrogatepass"))
    found = read(str(path))
    assert found.names[0] == "m"
    assert parser.choose("vllm", found).tool.reason


@pytest.mark.parametrize("model", [
    "", "/", "~nobody-of-that-name/x", "a\0b", "x" * 5000, "../..", "/dev/null", "/proc/self/mem", "a/b/c", "org/name",
])
def test_whatever_a_recipe_says_of_its_model(model: str) -> None:
    assert isinstance(read(model, "s" * 5000), ModelFacts)


def test_special_and_unreadable_files_are_passed_over(tmp_path: Path) -> None:
    path = folder(tmp_path / "m")
    os.mkfifo(path / "config.json")
    (path / "chat_template.jinja").mkdir()
    (path / "tokenizer_config.json").symlink_to(path / "tokenizer_config.json")
    assert read(str(path)) == ModelFacts(("m",))
    (tmp_path / "broken.gguf").write_bytes(b"GGUF" + b"\xff" * 100)
    assert read(str(tmp_path / "broken.gguf")).names == ("broken", tmp_path.name)


def test_a_large_file_is_not_read_whole(tmp_path: Path) -> None:
    path = folder(tmp_path / "m", chat_template_jinja="x" * (facts.FILE_LIMIT + 1))
    assert len(read(str(path)).template) == facts.TEMPLATE_LIMIT


def test_hostile_templates_are_read_in_a_moment() -> None:
    """Each repeats the beginning of a pattern: what went over the text again for each would take minutes."""
    pieces = "namespace(", "<tool_calls", "{% set enable_thinking = ", "<function name=", "thinking is defined and ", " | | {%- "
    for piece in pieces:
        template = (piece * facts.TEMPLATE_LIMIT)[:facts.TEMPLATE_LIMIT]
        assert parser.choose("vllm", ModelFacts(("x",), template=template)).tool.reason
