"""The parsers of stored recipes on this machine: what the installed engine has decides."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from studio_core.engines.verdict import verdicts
from studio_core.recipes.recipe import parse
from studio_core.settings import load
from tests.core.test_registration import site

SETTINGS = load({}, environ={})


def verdict(**fields: Any) -> tuple[str, str] | None:
    (found,) = verdicts([parse({"id": "a", "model_path": "/nowhere/GLM-4.7", **fields})], SETTINGS)
    return (found.tool.line, found.reasoning.line) if found is not None else None


def test_an_engine_without_the_parser_is_given_none(tmp_path: Path) -> None:
    python = site(tmp_path, "vllm/tool_parsers/__init__.py", '_TOOL_PARSERS_TO_REGISTER = {"hermes": ()}')
    site(tmp_path, "vllm/reasoning/__init__.py", '_REASONING_PARSERS_TO_REGISTER = {"glm47": ()}')
    python.parent.mkdir()
    python.write_text("#!/bin/sh\n", encoding="ascii")
    python.chmod(0o700)
    name = "name says GLM-4.7 / GLM-4.7-Flash"
    found = verdict(python_path=str(python))
    assert found == (f"none: the installed engine has no such parser as glm47 ({name})", f"glm47: {name}")


@pytest.mark.parametrize(("backend", "tool"), [("vllm", "glm47"), ("sglang", "glm47"), ("tabby", "glm4_7")])
def test_where_no_engine_is_the_known_version_s_names_count(backend: str, tool: str) -> None:
    found = verdict(backend=backend, python_path="/nowhere/python")
    assert found is not None and found[0].startswith(f"{tool}: ")


@pytest.mark.parametrize("backend", ["llamacpp", "mlx", "nonsense"])
def test_engines_that_need_no_parser_have_no_verdict(backend: str) -> None:
    assert verdict(backend=backend) is None


@pytest.mark.parametrize("runtime", [
    {"kind": "docker", "ref": "vllm/vllm-openai", "volumes": ["/a:/b"]}, {"kind": "managed_venv", "ref": "/v"}, {"kind": "docker"},
])
def test_a_recipe_that_names_its_runtime_has_one(runtime: dict[str, Any]) -> None:
    found = verdict(runtime=runtime)
    assert found is not None and found[0].startswith("glm47: ")
