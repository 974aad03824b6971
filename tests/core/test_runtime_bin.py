"""Where programs are looked for by their names: the folder of a setting, PATH, the user's own; and what is said of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from studio_core.engines import machine
from studio_core.engines.engine import Bench, Command
from studio_core.engines.registry import find
from studio_core.recipes.recipe import parse
from studio_core.settings import load
from studio_core.supervisor.preview import preview

FOLDERS = {"runtime": "setting runtime_bin", "path": "PATH", "home/.local/bin": "~/.local/bin", "home/bin": "~/bin"}
ENGINES = {"vllm": "vllm", "sglang": "sglang", "llamacpp": "llama-server"}


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Empty folders, nothing managed, no GPUs."""
    for name in FOLDERS:
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(machine, "GPUS", tmp_path / "gpus")


def put(path: Path) -> Path:
    path.write_text("#!/bin/sh\nprintf -- '--model M\\n--host H\\n--port P\\n--alias A\\n--ctx-size N\\n--metrics\\n'\n")
    path.chmod(0o755)
    return path


def command(folder: Path, backend: str, **fields: Any) -> Command:
    (folder / "m.gguf").write_bytes(b"GGUF")
    recipe = parse({"id": "m", "backend": backend, "model_path": str(folder / "m.gguf"), **fields})
    settings = load({"runtime_bin": str(folder / "runtime")}, {"HOME": str(folder / "home")})
    return find(backend).command(recipe, Bench("127.0.0.1", 8001, "sk-secret", folder / "inst", settings))


@pytest.mark.parametrize("backend", ENGINES)
def test_each_folder_in_its_turn(tmp_path: Path, backend: str) -> None:
    there = {name: put(tmp_path / name / ENGINES[backend]) for name in FOLDERS}
    for name, origin in FOLDERS.items():
        found = command(tmp_path, backend)
        assert (found.argv[0], found.origin) == (str(there[name]), origin)
        there[name].unlink()


@pytest.mark.parametrize("backend", ENGINES)
def test_a_name_in_a_recipe_is_looked_for_there_too(tmp_path: Path, backend: str) -> None:
    mine = put(tmp_path / "runtime" / "mine")
    found = command(tmp_path, backend, binary="mine")
    assert (found.argv[0], found.origin) == (str(mine), "the recipe's binary")


def test_a_folder_that_is_not_there_hides_nothing(tmp_path: Path) -> None:
    (tmp_path / "runtime").rmdir()
    server = put(tmp_path / "path" / "llama-server")
    assert command(tmp_path, "llamacpp").argv[0] == str(server)


def test_check_says_it(tmp_path: Path) -> None:
    put(tmp_path / "runtime" / "llama-server")
    (tmp_path / "m.gguf").write_bytes(b"GGUF")
    recipe = parse({"id": "m", "backend": "llamacpp", "model_path": str(tmp_path / "m.gguf")})
    settings = load({}, {"HOME": str(tmp_path / "home"), "VLLM_STUDIO_RUNTIME_BIN": str(tmp_path / "runtime")})
    assert preview(recipe, settings).origin == "setting runtime_bin"
