"""Which engine a command starts, and with which interpreter, program or image."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from studio_core.importing.wrapper import Invocation, within

PYTHON = re.compile(r"(?:python|pypy)[\d.]*(?:\.exe)?\Z")
LLAMA_SERVER = re.compile(r"llama-server[\w.-]*\Z")
# Options of the interpreter that take a word.
_PYTHON_TAKES = frozenset({"-X", "-W", "--check-hash-based-pycs"})
# Module → engine, and the words of its own that come before the arguments.
MODULES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "vllm.entrypoints.openai.api_server": ("vllm", ()),
    "vllm.entrypoints.api_server": ("vllm", ()),
    "vllm.entrypoints.cli.main": ("vllm", ("serve",)),
    "vllm": ("vllm", ("serve",)),
    "sglang.launch_server": ("sglang", ()),
    "sglang.cli.main": ("sglang", ("serve",)),
    "sglang": ("sglang", ("serve",)),
    "studio_core.engines.llamaserver": ("llamacpp", ()),
    "mlx_lm.server": ("mlx", ()),
    "mlx_lm": ("mlx", ("server",)),
}
PROGRAMS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "vllm": ("vllm", ("serve",)),
    "sglang": ("sglang", ("serve",)),
    "tabbyapi": ("tabbyapi", ()),
    "mlx_lm.server": ("mlx", ()),
}
_TABBY_FLAGS = frozenset({"--model-dir", "--model-name", "--config", "--unsafe-launch", "--gpu-split"})


@dataclass(slots=True)
class Program:
    """An engine's name, its arguments, and the fields of a recipe that say what runs it."""

    engine: str
    words: list[str]
    fields: dict[str, Any] = field(default_factory=dict)


def recognise(one: Invocation) -> Program | None:
    """None where it is no engine that is known here; a container is looked into elsewhere."""
    if not one.argv:
        return None
    head, rest = one.argv[0], one.argv[1:]
    name = PurePosixPath(head).name
    if PYTHON.match(name):
        return _python(one, head, rest)
    if LLAMA_SERVER.match(name):
        return Program("llamacpp", rest, {} if head == "llama-server" else {"binary": within(one.cwd, head)})
    if name == "start.sh" and _is_tabby(one, rest):
        return Program("tabbyapi", rest)
    if name not in PROGRAMS:
        return None
    engine, verbs = PROGRAMS[name]
    return _verbed(engine, verbs, rest, _beside(one, head))


def _python(one: Invocation, head: str, rest: list[str]) -> Program | None:
    words = list(rest)
    while words and words[0].startswith("-") and words[0] != "-m":
        takes = words.pop(0) in _PYTHON_TAKES
        del words[:takes]
    fields = _interpreter(one, head)
    if words[:1] == ["-m"] and len(words) > 1:
        engine, verbs = MODULES.get(words[1], ("", ()))
        return _verbed(engine, verbs, words[2:], fields) if engine else None
    script = PurePosixPath(words[0]) if words else PurePosixPath()
    if script.name in ("main.py", "start.py") and _is_tabby(one, words):
        one.cwd = within(one.cwd, str(script.parent)) if str(script.parent) != "." else one.cwd
        return Program("tabbyapi", words[1:], fields)
    if script.name in PROGRAMS:
        engine, verbs = PROGRAMS[script.name]
        return _verbed(engine, verbs, words[1:], fields)
    return None


def _verbed(engine: str, verbs: tuple[str, ...], words: list[str], fields: dict[str, Any]) -> Program | None:
    """`vllm serve`, not `vllm bench`."""
    if list(verbs) != words[:len(verbs)]:
        return None
    return Program(engine, words[len(verbs):], fields)


def _is_tabby(one: Invocation, words: list[str]) -> bool:
    around = f"{one.cwd}/{words[0] if words else ''}/{one.argv[0]}".lower()
    return "tabby" in around or bool(_TABBY_FLAGS & {word.partition("=")[0].replace("_", "-") for word in words})


def _interpreter(one: Invocation, head: str) -> dict[str, Any]:
    """`python` alone is the activated environment's."""
    if "/" in head:
        return {"python_path": within(one.cwd, head)}
    return {"python_path": f"{one.venv}/bin/python"} if one.venv else {}


def _beside(one: Invocation, head: str) -> dict[str, Any]:
    """The interpreter in the folder of a console script."""
    if "/" in head:
        return {"python_path": within(one.cwd, str(PurePosixPath(head).parent / "python"))}
    return _interpreter(one, "python")
