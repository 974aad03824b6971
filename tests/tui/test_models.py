"""Models, tools, best figures: what the API gives today, and honest words for the rest."""

from __future__ import annotations

from pathlib import Path

from studio_core import wire
from studio_tui.screens.models import proposed
from tests.tui import scene
from tests.tui.opened import opened, stage_in
from tests.tui.stage import Stage

GGUF = wire.ModelFile(name="Qwen3 8B Q4.gguf", path="/m/qwen.gguf", size_bytes=5 * scene.GIB, quantization="Q4_K_M",
                      architecture="qwen3", context_length=131072)
HUB = wire.ModelFile(name="org/big", path="org/big", size_bytes=140 * scene.GIB, architecture="LlamaForCausalLM",
                     recipe_ids=["mistral"], has_recipe=True)


def filled(folder: Path) -> Stage:
    stage = stage_in(folder)
    scene.busy(stage)
    stage.models = wire.ModelFiles(models=[GGUF, HUB], roots=[wire.ModelRoot(path="/m", exists=True)], configured_models_dir="/m")
    stage.peaks = {"metrics": [{"model_id": "smollm2", "generation_tps": 92.4, "prefill_tps": 1203.0, "ttft_ms": 81.0,
                                "total_requests": 9120, "total_tokens": 120000}]}
    return stage


async def test_model_files_and_their_recipes(tmp_path: Path) -> None:
    async with opened(filled(tmp_path), (110, 30)) as shown:
        await shown.press("6")
        await shown.shows("Qwen3 8B Q4.gguf", "5.0 GiB", "Q4_K_M", "131 072", "qwen3", "org/big", "mistral")
        await shown.shows("2 models \u00b7 145 GiB")
        await shown.press("enter")
        await shown.shows("no recipe uses Qwen3 8B Q4.gguf yet")
        await shown.press("r", "down", "enter")
        await shown.shows("\u25b8 Mistral Small")


async def test_a_recipe_is_made_of_a_model(tmp_path: Path) -> None:
    stage = filled(tmp_path)
    async with opened(stage, (110, 30)) as shown:
        await shown.press("6")
        await shown.shows("Qwen3 8B Q4.gguf")
        await shown.press("n")
        await shown.shows("Recipe Qwen3 8B Q4", "qwen3-8b-q4", "llamacpp")
        await shown.press("f2")
        await shown.shows("qwen3-8b-q4 stored")
    (body,) = [body for verb, path, body in stage.asked if (verb, path) == ("POST", "/recipes")]
    assert (body["model_path"], body["max_model_len"], body["backend"]) == ("/m/qwen.gguf", 32768, "llamacpp")


async def test_where_nothing_is_the_screens_say_what_to_do(tmp_path: Path) -> None:
    stage = filled(tmp_path)
    stage.models, stage.peaks = wire.ModelFiles(configured_models_dir="/nowhere"), {"metrics": []}
    async with opened(stage, (100, 24)) as shown:
        await shown.press("6")
        await shown.shows("the models folder /nowhere is not there", "set models_dir")
        await shown.press("7")
        await shown.shows("does not run MCP servers yet")
        await shown.press("8")
        await shown.shows("no request has been answered yet", "runs no benchmarks of its own yet")


async def test_the_best_figures_of_each_model(tmp_path: Path) -> None:
    async with opened(filled(tmp_path), (100, 24)) as shown:
        await shown.press("8")
        await shown.shows("smollm2", "92", "1 203", "81 ms", "9 120", "120 000")
        await shown.press("r")
        await shown.shows("smollm2")


def test_a_proposal_is_a_valid_recipe() -> None:
    from studio_core.recipes.recipe import parse

    assert parse(dict(proposed(GGUF))).id == "qwen3-8b-q4"
    assert parse(dict(proposed(HUB))).id == "org-big" and parse(dict(proposed(HUB))).backend == "vllm"
