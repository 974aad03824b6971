"""llama.cpp's command lines, expected ones written by hand."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from studio_core.engines.engine import Bench
from studio_core.engines.registry import find
from studio_core.errors import BadRecipe
from studio_core.recipes.recipe import Recipe, parse
from studio_core.settings import load

# llama-server's own layout of --help.
HELP = """----- common params -----

-h,    --help, --usage                  print usage and exit
-c,    --ctx-size N                     size of the prompt context
-np,   --parallel N                     number of server slots
-kvu,  --kv-unified, -no-kvu, --no-kv-unified
                                        use single unified KV buffer
-ngl,  --gpu-layers, --n-gpu-layers N   layers in VRAM
-fa,   --flash-attn [on|off|auto]       set Flash Attention use
-lv,   --verbosity, --log-verbosity N   set the verbosity threshold
-m,    --model FNAME                    model path to load
-hf,   -hfr, --hf-repo <user>/<model>[:quant]
-a,    --alias STRING                   set model name aliases
--host HOST                             ip address to listen
--port PORT                             port to listen
--api-key KEY                           API key, see -foo, --bar
--metrics                               enable prometheus compatible metrics endpoint
--lora FNAME                            path to LoRA adapter
--chat-template-kwargs STRING           JSON
--jinja, --no-jinja                     whether to use jinja
"""


@pytest.fixture
def binary(tmp_path: Path) -> Path:
    path = tmp_path / "llama-server"
    path.write_text(f"#!/bin/sh\ncat <<'TEXT'\n{HELP}TEXT\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def gguf(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.gguf"
    path.write_bytes(b"GGUF" + bytes(20))
    return path


def recipe(binary: Path, gguf: Path, **fields: Any) -> Recipe:
    return parse({"id": "tiny", "backend": "llamacpp", "model_path": str(gguf), "binary": str(binary), **fields})


def arguments(made: Recipe, folder: Path) -> list[str]:
    bench = Bench("127.0.0.1", 8001, "secret-key", folder, load())
    return list(find("llamacpp").command(made, bench).argv)


def test_the_structured_fields(binary: Path, gguf: Path, tmp_path: Path) -> None:
    made = recipe(binary, gguf, max_model_len=4096, served_model_name="tiny-chat")
    assert arguments(made, tmp_path) == [
        str(binary), "--model", str(gguf), "--host", "127.0.0.1", "--port", "8001", "--alias", "tiny-chat",
        "--ctx-size", "4096", "--metrics", "--verbosity", "4",
    ]


def test_a_chosen_number_of_sequences_shares_one_cache(binary: Path, gguf: Path, tmp_path: Path) -> None:
    words = arguments(recipe(binary, gguf, max_num_seqs=8), tmp_path)
    assert words[words.index("--parallel"):][:3] == ["--parallel", "8", "--kv-unified"]


@pytest.mark.parametrize(("extra", "tail"), [
    ({"flash_attn": "on"}, ["--verbosity", "4", "--flash-attn", "on"]),
    ({"jinja": True}, ["--verbosity", "4", "--jinja"]),
    ({"jinja": False, "lora": None}, ["--verbosity", "4", "--no-jinja"]),
    ({"lora": ["a.gguf", "b.gguf"]}, ["--verbosity", "4", "--lora", "a.gguf,b.gguf"]),
    ({"ngl": 99}, ["--verbosity", "4", "-ngl", "99"]),
    ({"chat_template_kwargs": {"a": 1}}, ["--verbosity", "4", "--chat-template-kwargs", '{"a": 1}']),
    ({"c": 512}, ["--alias", "tiny", "--metrics", "--verbosity", "4", "-c", "512"]),
    ({"log-verbosity": 2}, ["--metrics", "--log-verbosity", "2"]),
    ({"description": "mine", "tags": ["x"], "status": "stopped"}, ["--verbosity", "4"]),
])
def test_extra_args(binary: Path, gguf: Path, tmp_path: Path, extra: dict[str, Any], tail: list[str]) -> None:
    assert arguments(recipe(binary, gguf, extra_args=extra), tmp_path)[-len(tail):] == tail


def test_the_key_and_the_configuration_travel_by_environment(binary: Path, gguf: Path, tmp_path: Path) -> None:
    command = find("llama.cpp").command(
        recipe(binary, gguf), Bench("127.0.0.1", 8001, "secret-key", tmp_path / "inst", load())
    )
    assert command.env == {"LLAMA_API_KEY": "secret-key", "XDG_CONFIG_HOME": str(tmp_path / "inst" / "config")}
    assert command.cwd == str(tmp_path / "inst")
    assert not any("secret-key" in word for word in command.argv)


@pytest.mark.parametrize(("extra", "title", "hint"), [
    ({"flash_atn": "on"}, "has no flag --flash-atn", "did you mean --flash-attn?"),
    ({"bar": "1"}, "has no flag --bar", "remove it from extra_args"),
    ({"port": 9}, "Studio sets --port itself", "use the recipe's field port"),
    ({"a": "x"}, "Studio sets --alias itself", "use the recipe's field served_model_name"),
    ({"api_key": "x"}, "Studio sets --api-key itself", "each start gets a key of its own; clients use Studio's keys"),
])
def test_a_bad_flag_is_refused_before_the_start(
    binary: Path, gguf: Path, extra: dict[str, Any], title: str, hint: str
) -> None:
    with pytest.raises(BadRecipe) as caught:
        find("llamacpp").check(recipe(binary, gguf, extra_args=extra), load())
    assert title in caught.value.title
    assert caught.value.hint == hint


def test_an_older_build_does_without_our_wishes(binary: Path, gguf: Path, tmp_path: Path) -> None:
    binary.write_text(binary.read_text().replace("--verbosity, --log-verbosity N", "--log-disable"))
    assert "--verbosity" not in arguments(recipe(binary, gguf), tmp_path)


def test_a_replaced_binary_is_asked_again(binary: Path, gguf: Path) -> None:
    made = recipe(binary, gguf, extra_args={"brand_new": True})
    with pytest.raises(BadRecipe, match="brand-new"):
        find("llamacpp").check(made, load())
    binary.write_text(binary.read_text().replace("--metrics ", "--brand-new\n--metrics "))
    find("llamacpp").check(made, load())


@pytest.mark.parametrize(("content", "title"), [
    (None, "is not there"), (b"", "is not a GGUF file"), (b"PK\x03\x04....", "is not a GGUF file"),
])
def test_the_model_file_is_looked_at(binary: Path, gguf: Path, content: bytes | None, title: str) -> None:
    gguf.unlink()
    if content is not None:
        gguf.write_bytes(content)
    with pytest.raises(BadRecipe, match=title):
        find("llamacpp").check(recipe(binary, gguf), load())


def test_a_folder_stands_for_its_only_model(binary: Path, gguf: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    for name in ("big-00001-of-00002.gguf", "big-00002-of-00002.gguf", "mmproj-big.gguf", "README.md"):
        (folder / name).write_bytes(b"GGUF")
    words = arguments(recipe(binary, folder), tmp_path)
    assert words[2] == str(folder / "big-00001-of-00002.gguf")
    (folder / "other.gguf").write_bytes(b"GGUF")
    with pytest.raises(BadRecipe, match="has 2 GGUF models"):
        arguments(recipe(binary, folder), tmp_path)


def test_a_hub_id_is_left_to_the_engine(binary: Path, tmp_path: Path) -> None:
    words = arguments(recipe(binary, Path("some-org/some-model:Q4_K_M")), tmp_path)
    assert words[1:3] == ["--hf-repo", "some-org/some-model:Q4_K_M"]


def test_a_missing_binary(gguf: Path, tmp_path: Path) -> None:
    with pytest.raises(BadRecipe, match="is not there"):
        find("llamacpp").check(recipe(tmp_path / "none", gguf), load())


@pytest.mark.parametrize("named", [
    {"binary": "{binary}"}, {"binary": "~/llama-server"}, {"runtime": {"kind": "binary", "ref": "{binary}"}},
    {"runtime": {"kind": "binary", "ref": "~/llama-server"}}, {"extra_args": {"llama_bin": "{binary}"}},
    {"extra_args": {"llama-bin": "~/llama-server"}}, {"binary": "/nowhere/x", "runtime": {"kind": "binary", "ref": "{binary}"}},
])
def test_ways_to_name_it(binary: Path, gguf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: dict[str, Any]) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    filled = json.loads(json.dumps(named).replace("{binary}", str(binary)))
    words = arguments(parse({"id": "tiny", "backend": "llamacpp", "model_path": str(gguf), **filled}), tmp_path)
    assert words[:3] == [str(binary), "--model", str(gguf)]


def test_a_runtime_that_is_not_there_is_no_reason_to_start_another(gguf: Path, tmp_path: Path) -> None:
    made = parse({"id": "tiny", "backend": "llamacpp", "model_path": str(gguf), "runtime": {"kind": "binary", "ref": "/nowhere/x"}})
    with pytest.raises(BadRecipe, match="the binary /nowhere/x is not there"):
        arguments(made, tmp_path)


def test_a_binary_that_cannot_run(gguf: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\necho 'error while loading shared libraries: libcuda.so.1: no' >&2\nexit 127\n")
    broken.chmod(0o755)
    with pytest.raises(BadRecipe, match=r"libcuda\.so\.1"):
        find("llamacpp").check(recipe(broken, gguf), load())


def test_without_a_binary_our_runner_is_used(
    gguf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    monkeypatch.setenv("HOME", str(tmp_path / "empty"))
    made = parse({"id": "tiny", "backend": "llamacpp", "model_path": str(gguf)})
    words = arguments(made, tmp_path)
    assert words[:3] == [sys.executable, "-m", "studio_core.engines.llamaserver"]
    with pytest.raises(BadRecipe, match="runner has no flag --rpc"):
        arguments(parse({**made.stored(), "extra_args": {"rpc": "host:1"}}), tmp_path)


@pytest.mark.parametrize("backend", ["transformers", "mlx", "exllamav2"])
def test_a_known_backend_without_a_builder(backend: str) -> None:
    with pytest.raises(BadRecipe, match=f"engine {backend} cannot be started here: ") as caught:
        find(backend)
    assert "the recipe is kept" in caught.value.hint


def test_an_unknown_backend() -> None:
    with pytest.raises(BadRecipe, match="there is no engine 'nope'"):
        find("nope")


def test_the_binary_asked_for_help_gets_no_secrets(tmp_path: Path, gguf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    seen = tmp_path / "seen"
    spy = tmp_path / "spy"
    spy.write_text(f"#!/bin/sh\nenv > {seen}\ncat <<'TEXT'\n{HELP}TEXT\n")
    spy.chmod(0o755)
    find("llamacpp").check(recipe(spy, gguf), load())
    assert "hf_secret" not in seen.read_text()
    assert f"PATH={os.environ['PATH']}" in seen.read_text()
