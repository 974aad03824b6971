"""Which command lines are an engine's: the exact words, not words that occur somewhere in them.

vLLM Studio took any line with `vllm` and `serve` in it for vLLM, and any `main.py --config` for TabbyAPI: an editor, a
`grep` and other people's programs were engines then, and were stopped as such.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from studio_core.engines import catalog, reading

PROGRAM, MODULE, SCRIPT = "program", "module", "script"
_PYTHON = re.compile(r"(python|pypy)[0-9.]*t?\Z")
# Options of the interpreter that take the next word (python --help); all others stand alone.
_TAKE = frozenset({"-X", "-W", "--check-hash-based-pycs"})


@dataclass(frozen=True, slots=True)
class Form:
    """One way of starting an engine: a program by its file's name, a module, or a script by the end of its path.

    `word` must be the first word after it. `marks` are files beside the script that must be there: its name says little.
    """

    engine: str
    kind: str
    name: str
    word: str = ""
    marks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Habit:
    """What an engine's flags mean: the keys of `reading.read` for model and public name; the port without a flag."""

    model: tuple[str, ...]
    served: str
    port: int


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What a command line says of itself. `port` is None where it names none; `marks` have to be looked for in `folder`."""

    engine: str
    model: str = ""
    port: int | None = None
    served: str = ""
    folder: str = ""
    marks: tuple[str, ...] = ()

    @property
    def expected_port(self) -> int:
        return self.port or HABITS[self.engine].port


# TabbyAPI of 2026: both start scripts serve; the names of its own modules tell it from anybody's main.py.
_TABBY = ("common/tabby_config.py", "endpoints")
FORMS: tuple[Form, ...] = (
    Form("vllm", PROGRAM, "vllm", "serve"),
    Form("vllm", MODULE, "vllm.entrypoints.openai.api_server"),
    Form("vllm", MODULE, "vllm.entrypoints.launchers.api_server.entry"),
    Form("vllm", MODULE, "vllm.entrypoints.cli.main", "serve"),
    Form("vllm", SCRIPT, "vllm/entrypoints/openai/api_server.py"),
    Form("sglang", PROGRAM, "sglang", "serve"),
    Form("sglang", MODULE, "sglang.launch_server"),
    Form("sglang", SCRIPT, "sglang/launch_server.py"),
    Form("llamacpp", PROGRAM, "llama-server"),
    Form("llamacpp", MODULE, "studio_core.engines.llamaserver"),
    Form("tabbyapi", SCRIPT, "main.py", marks=_TABBY),
    Form("tabbyapi", SCRIPT, "start.py", marks=_TABBY),
)
# Defaults of vLLM 0.33, SGLang 0.5.23, llama.cpp b11434 and TabbyAPI of August 2026.
HABITS: Mapping[str, Habit] = {
    "vllm": Habit(("model",), "served_model_name", 8000),
    "sglang": Habit(("model_path", "model"), "served_model_name", 30000),
    "llamacpp": Habit(("model", "hf_repo", "model_url"), "alias", 8080),
    "tabbyapi": Habit(("model_name",), "", 5000),
}


def identify(argv: Sequence[str]) -> Fingerprint | None:
    """What a command line starts; None for everything that is no engine, and for words that only look like one."""
    for kind, name, rest in _starts(argv):
        for form in FORMS:
            if form.kind == kind and _named(form, name) and (not form.word or rest[:1] == [form.word]):
                return _read(form, name, rest[1:] if form.word else rest)
    return None


def _starts(argv: Sequence[str]) -> list[tuple[str, str, list[str]]]:
    """What is run, as (kind, name, the words after it). A console script is a script of the interpreter in its first line."""
    if not argv or not argv[0]:
        return []
    first = os.path.basename(argv[0])
    if not _PYTHON.match(first):
        return [(PROGRAM, first, list(argv[1:]))]
    at = 1
    while at < len(argv) and argv[at].startswith("-"):
        if argv[at] == "-m":
            return [(MODULE, argv[at + 1], list(argv[at + 2:]))] if at + 1 < len(argv) else []
        if argv[at] in ("-c", "-"):
            return []
        at += 2 if argv[at] in _TAKE else 1
    if at >= len(argv):
        return []
    rest = list(argv[at + 1:])
    return [(PROGRAM, os.path.basename(argv[at]), rest), (SCRIPT, argv[at], rest)]


def _named(form: Form, name: str) -> bool:
    return name == form.name or (form.kind == SCRIPT and name.endswith(f"/{form.name}"))


def _read(form: Form, name: str, rest: Sequence[str]) -> Fingerprint:
    habit, found = HABITS[form.engine], reading.read(rest, catalog.shipped(form.engine))
    named = [_text(found.values.get(key)) for key in habit.model] + found.words[:1]
    port = found.values.get("port")
    return Fingerprint(
        engine=form.engine,
        model=next(filter(None, named), ""),
        port=port if isinstance(port, int) and 0 < port < 65536 else None,
        served=_text(found.values.get(habit.served)).split(",")[0],
        folder=os.path.dirname(name) if form.marks else "",
        marks=form.marks,
    )


def _text(value: Any) -> str:
    """A flag's value as one name: the first of several."""
    if isinstance(value, list):
        value = value[0] if value else ""
    return str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""
