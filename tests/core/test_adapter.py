"""LoRA adapters of a recipe: each engine's words for them, what it cannot be told, and a pasted line read back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from studio_core.engines import adapter
from studio_core.engines.engine import stand_in
from studio_core.engines.llamaserver.__main__ import Refused, assignments, parameters
from studio_core.engines.tabbyapi import configuration
from studio_core.errors import BadRecipe
from studio_core.importing.found import nothing
from studio_core.importing.line import harvest
from studio_core.importing.written import command
from studio_core.recipes.recipe import Recipe, parse
from studio_core.settings import load


def recipe(backend: str, *adapters: Any) -> Recipe:
    return parse({"id": "m", "backend": backend, "model_path": "/m/m.gguf", "lora_adapters": list(adapters)})


def one(path: str, scale: float | None = None) -> dict[str, Any]:
    return {"name": Path(path).stem, "path": path, "scale": scale}


@pytest.mark.parametrize(("adapters", "words"), [
    ([], []),
    ([one("/a/x.gguf"), one("/b/y.gguf")], [("--lora", "/a/x.gguf,/b/y.gguf")]),
    ([one("/a/x.gguf", 0.5)], [("--lora-scaled", "/a/x.gguf:0.5")]),
    ([one("/a/x.gguf"), one("/b/y.gguf", -1)], [("--lora-scaled", "/a/x.gguf:1.0,/b/y.gguf:-1.0")]),
    ([one("~/x.gguf")], [("--lora", str(Path("~/x.gguf").expanduser()))]),
])
def test_llama_cpp_is_told_files_and_scales(adapters: list[Any], words: list[tuple[str, str]]) -> None:
    assert adapter.scaled(recipe("llamacpp", *adapters)) == words


def test_tabby_has_one_folder_and_scalings() -> None:
    found = configuration(recipe("tabbyapi", one("/l/x", 0.5), one("/l/y")), stand_in(load({}, {"HOME": "/root"})))
    assert found["lora"] == {"lora_dir": "/l", "loras": [{"name": "x", "scaling": 0.5}, {"name": "y"}]}


@pytest.mark.parametrize("scale", ["much", float("nan"), float("inf")])
def test_a_scale_is_a_number(scale: Any) -> None:
    with pytest.raises(BadRecipe, match=r"lora_adapters.0.scale"):
        recipe("llamacpp", {"name": "x", "path": "/x", "scale": scale})


def test_what_cannot_be_told(tmp_path: Path) -> None:
    (tmp_path / "a,b.gguf").write_bytes(b"")
    (tmp_path / "a:b.gguf").write_bytes(b"")
    comma, colon = one(str(tmp_path / "a,b.gguf")), one(str(tmp_path / "a:b.gguf"))
    assert [each.severe for each in adapter.files(recipe("llamacpp", comma))] == [True]
    assert list(adapter.files(recipe("llamacpp", colon))) == []
    assert len(list(adapter.files(recipe("llamacpp", {**colon, "scale": 2})))) == 1
    [found] = adapter.files(recipe("llamacpp", one("/nowhere/x.gguf")))
    assert found.text == "the adapter /nowhere/x.gguf is not there"
    # A hub id may be there; a scale of vLLM's is a note.
    [found] = adapter.no_scale(recipe("vllm", one("org/lora", 2)), "vLLM")
    assert not found.severe and "takes no scale" in found.text


def test_only_engines_that_are_asked_by_name_serve_adapters_as_models() -> None:
    assert recipe("vllm", one("/x/poet")).adapter_names == ("poet",)
    assert recipe("llamacpp", one("/x/poet.gguf")).adapter_names == ()


@pytest.mark.parametrize(("line", "adapters"), [
    ("--lora /a/x.gguf,/b/y.gguf", [one("/a/x.gguf"), one("/b/y.gguf")]),
    ("--lora /a/x.gguf --lora /b/y.gguf", [one("/a/x.gguf"), one("/b/y.gguf")]),
    ("--lora-scaled /a/x.gguf:0.25", [one("/a/x.gguf", 0.25)]),
    ("--lora-scaled /a/x.gguf:0.25 --lora /b/y.gguf", [one("/a/x.gguf", 0.25), one("/b/y.gguf")]),
])
def test_a_pasted_line_becomes_adapters_and_a_line_again(line: str, adapters: list[dict[str, Any]]) -> None:
    [found] = harvest(f"llama-server -m /m/m.gguf {line}", nothing).recipes
    read = found.recipe()
    assert [each.model_dump() for each in read.lora_adapters] == adapters
    assert "lora" not in str(read.extra_args)
    [again] = harvest(command("llamacpp", read), nothing).recipes
    # The words of one flag have both: 1 is what a scale is that nobody said.
    scales = [(each.path, each.scale if each.scale is not None else 1.0) for each in again.recipe().lora_adapters]
    assert scales == [(each["path"], each["scale"] if each["scale"] is not None else 1.0) for each in adapters]


def test_a_scale_that_is_none_stays_an_argument() -> None:
    [found] = harvest("llama-server -m /m/m.gguf --lora-scaled /a/x.gguf", nothing).recipes
    assert found.recipe().lora_adapters == [] and found.recipe().extra_args["lora_scaled"] == ["/a/x.gguf"]


def test_the_runner_takes_them_as_llama_server_does() -> None:
    words = ["--lora", "/x,/y", "--lora-scaled", "/z:0.5", "--lora-init-without-apply"]
    found = parameters(assignments(words, {}))
    assert [(each.path, each.scale) for each in found.lora_adapters] == [("/x", 1.0), ("/y", 1.0), ("/z", 0.5)]
    assert found.lora_init_without_apply is True
    with pytest.raises(Refused, match="FNAME:SCALE"):
        assignments(["--lora-scaled", "/z"], {})


@pytest.mark.parametrize(("line", "paths"), [
    ("cd /srv && llama-server -m m.gguf --lora a.gguf,/b/c.gguf", ["/srv/a.gguf", "/b/c.gguf"]),
    ("docker run -v /data:/models ghcr.io/ggml-org/llama.cpp:server -m /models/m.gguf --lora-scaled /models/lora/a.gguf:0.5",
     ["/data/lora/a.gguf"]),
    ("docker run -v /data:/models vllm/vllm-openai /models/m --enable-lora --lora-modules a=/models/a b=org/b",
     ["/data/a", "org/b"]),
])
def test_adapters_are_where_this_machine_has_them(line: str, paths: list[str]) -> None:
    [found] = harvest(line, nothing).recipes
    assert [each.path for each in found.recipe().lora_adapters] == paths
