"""`studio check`: what is wrong, the exact command, and which parsers the engine is given and why."""

from __future__ import annotations

from pathlib import Path

import pytest

from studio_core import wire
from studio_core.cli.check import lines
from studio_core.recipes.recipe import parse
from studio_core.settings import load
from studio_core.supervisor.preview import preview


def test_all_of_it_in_its_order() -> None:
    found = wire.Check(
        problems=[wire.Finding("dtype", "--dtype is wrong", "did you mean half?"),
                  wire.Finding("host", "not told", "", severe=False)],
        argv=["vllm", "serve", "a b"], origin="setting runtime_bin",
        environment=[wire.Variable("A", "1", "recipe"), wire.Variable("PATH", "/x", "inherited")],
        files=["config.yml"], nodes=[wire.NodeLine("two", "vllm serve --headless")], filters=["top_k is always 20"],
        parsers={"tool": wire.Parser("glm47", "architecture Glm4MoeForCausalLM"), "reasoning": wire.Parser(None, "nobody says")},
    )
    assert lines(found) == [
        "wrong  dtype: --dtype is wrong (did you mean half?)", "note   host: not told", "", "vllm serve 'a b'",
        "program from setting runtime_bin", "",
        "tool parser glm47: architecture Glm4MoeForCausalLM", "reasoning parser none: nobody says", "", "A=1   from recipe", "",
        "files: config.yml", "", "request: top_k is always 20", "on two: vllm serve --headless",
    ]


@pytest.mark.parametrize(("backend", "tool"), [("vllm", "glm47"), ("sglang", None), ("llamacpp", None)])
def test_the_reason_of_a_parser_is_in_it(tmp_path: Path, backend: str, tool: str | None) -> None:
    (tmp_path / "config.json").write_text('{"architectures": ["Glm4MoeForCausalLM"], "model_type": "glm4_moe"}')
    found = preview(parse({"id": "m", "backend": backend, "model_path": str(tmp_path)}), load({}, {"HOME": "/root"}))
    if backend == "llamacpp":
        assert found.parsers == {}
    else:
        assert found.parsers["tool"].name == tool and "architecture Glm4MoeForCausalLM" in found.parsers["tool"].reason
