"""Recipes over HTTP, as vLLM Studio's pages and ours send them."""

from __future__ import annotations

from pathlib import Path

import pytest

from studio_core.models import facts
from tests.core.control import RECIPE, control


async def test_what_was_stored_comes_back_under_both_names(tmp_path: Path) -> None:
    async with control(tmp_path) as house:
        assert (await house.owner.post("/recipes", json=RECIPE)).json() == {"success": True, "id": "tiny", "version": 1}
        one = (await house.owner.get("/recipes/tiny")).json()
        assert (one["tp"], one["tensor_parallel_size"], one["pp"]) == (2, 2, 1)
        assert one["extra_args"] == {"mystery": "kept"}
        assert (one["status"], one["version"], one["recipe"]["model_path"]) == ("stopped", 1, "/nowhere/tiny.gguf")


async def test_the_page_sends_status_and_a_stale_long_name_and_the_short_one_wins(tmp_path: Path) -> None:
    async with control(tmp_path) as house:
        await house.owner.post("/recipes", json=RECIPE)
        shown = (await house.owner.get("/recipes/tiny")).json()
        edited = {**shown["recipe"], "status": "stopped", "tp": 4, "tensor_parallel_size": 2, "editor_only": {"a": [1]}}
        assert (await house.owner.put("/recipes/tiny", json=edited)).status_code == 200
        again = (await house.owner.get("/recipes/tiny")).json()
        assert again["tp"] == again["tensor_parallel_size"] == 4
        assert again["extra_args"] == {"mystery": "kept", "editor_only": {"a": [1]}}
        assert again["version"] == 2


async def test_what_was_read_may_be_sent_back_whole(tmp_path: Path) -> None:
    async with control(tmp_path) as house:
        await house.owner.post("/recipes", json={**RECIPE, "backend": "vllm"})
        first = (await house.owner.get("/recipes/tiny")).json()
        assert first["parsers"], "what only a look adds is there"
        assert (await house.owner.put("/recipes/tiny", json=first)).status_code == 200
        again = (await house.owner.get("/recipes/tiny")).json()
        assert again["recipe"] == first["recipe"]
        assert again["extra_args"] == {"mystery": "kept"}


async def test_a_stale_version_loses_nothing(tmp_path: Path) -> None:
    async with control(tmp_path) as house:
        await house.owner.post("/recipes", json=RECIPE)
        await house.owner.put("/recipes/tiny", json={**RECIPE, "name": "theirs", "version": 1})
        answer = await house.owner.put("/recipes/tiny", json={**RECIPE, "name": "mine", "version": 1})
        assert answer.status_code == 409
        body = answer.json()
        assert (body["stored"]["name"], body["yours"]["name"], body["version"]) == ("theirs", "mine", 2)
        assert isinstance(body["detail"], str)
        assert (await house.owner.get("/recipes/tiny")).json()["name"] == "theirs"


async def test_deleting_is_told_and_final(tmp_path: Path) -> None:
    async with control(tmp_path) as house:
        await house.owner.post("/recipes", json=RECIPE)
        with house.services.hub.subscribe() as listener:
            assert (await house.owner.delete("/recipes/tiny")).json() == {"success": True}
            while (event := await listener.next(60)) is not None and event.event != "recipe":
                pass
            assert event is not None and event.data == {"id": "tiny", "version": None, "deleted": True}
        assert (await house.owner.get("/recipes/tiny")).status_code == 404


async def test_a_recipe_is_shown_with_its_parsers_and_their_reasons(tmp_path: Path) -> None:
    model = tmp_path / "my-tune"
    model.mkdir()
    (model / "config.json").write_text('{"architectures": ["Glm4MoeForCausalLM"], "model_type": "glm4_moe"}', encoding="utf-8")
    root = tmp_path / "state"
    root.mkdir()
    async with control(root) as house:
        await house.owner.post("/recipes", json=RECIPE)
        await house.owner.post("/recipes", json={"id": "glm", "model_path": str(model), "reasoning_parser": "none"})
        one = (await house.owner.get("/recipes/glm")).json()
        assert one["parsers"] == {
            "tool": {"name": "glm47", "reason": "architecture Glm4MoeForCausalLM"},
            "reasoning": {"name": None, "reason": "the recipe says none"},
        }
        before = facts._read.cache_info().misses
        every = {recipe["id"]: recipe["parsers"] for recipe in (await house.owner.get("/recipes")).json()}
        assert every == {"glm": one["parsers"], "tiny": {}}
        assert facts._read.cache_info().misses == before, "nothing that did not change is read again"


@pytest.mark.parametrize(("backend", "problem"), [
    ("mlx", "engine mlx cannot be started here: it runs on Apple's machines only"),
    ("transformers", "engine transformers cannot be started here: it serves no OpenAI API of its own"),
    ("brand-new", "there is no engine 'brand-new': the recipe is kept"), ("vllm", ""),
])
async def test_a_recipe_that_nothing_here_starts_is_kept_and_listed_with_the_reason(
    tmp_path: Path, backend: str, problem: str
) -> None:
    async with control(tmp_path) as house:
        await house.owner.post("/recipes", json={**RECIPE, "backend": backend})
        [listed] = (await house.owner.get("/recipes")).json()
        assert listed["backend"] == backend and listed["extra_args"] == {"mystery": "kept"}
        assert "; ".join(listed["problems"]).startswith(problem) and bool(listed["problems"]) is bool(problem)
