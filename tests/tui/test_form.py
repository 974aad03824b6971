"""A recipe is made, copied and changed: in the form, checked as one writes, on the version that was read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from studio_core import wire
from tests.tui import scene
from tests.tui.opened import Opened, opened, stage_in
from tests.tui.stage import Stage
from tests.wait import eventually


def filled(folder: Path) -> Stage:
    stage = stage_in(folder)
    scene.busy(stage)
    for one in stage.recipes:
        one.recipe = {**one.recipe, "id": one.id, "name": one.name, "backend": one.backend, "model_path": one.model_path}
    return stage


def stored(stage: Stage, method: str = "PUT") -> list[Any]:
    return [body for verb, path, body in stage.asked if verb == method and path.startswith("/recipes") and "check" not in path]


async def go_to(shown: Opened, field: str) -> None:
    await shown.shows("F2: store")
    for _ in range(45):
        if any(row.lstrip("\u2502 ").startswith("\u25b8") and field in row for row in shown.text.splitlines()):
            return
        await shown.press("down")
    raise AssertionError(f"{field} is not in the form:\n{shown.text}")


async def test_a_field_is_changed_and_stored_on_the_version_that_was_read(tmp_path: Path) -> None:
    stage = filled(tmp_path)
    async with opened(stage, (100, 40), recipe="mistral") as shown:
        await shown.shows("\u25b8 Mistral Small")
        await shown.press("e")
        await shown.shows("Recipe Mistral Small", "max_model_len", "8192", "nothing is wrong")
        await go_to(shown, "max_model_len")
        await shown.shows("context in tokens", "(whole number)")
        await shown.press("enter", *["backspace"] * 4, *"4k", "enter")
        await shown.shows("'4k' is no whole number")
        await shown.press("backspace", *"096", "enter")
        await shown.shows("\u2022 Recipe Mistral Small", "4096")
        await shown.press("f2")
        await shown.shows("mistral stored, version 2")
        await shown.hides("\u2022 Recipe")
    (body,) = stored(stage)
    assert body["max_model_len"] == 4096 and body["version"] == 1 and body["gpu_memory_utilization"] == 0.9


async def test_what_is_wrong_stands_beside_its_field(tmp_path: Path) -> None:
    stage = filled(tmp_path)
    stage.checks[""] = wire.Check(problems=[wire.Finding(field="tp", text="3 GPUs are not there", hint="there is 1"),
                                            wire.Finding(field="extra_args.foo", text="no such flag", severe=False)])
    async with opened(stage, (100, 40), recipe="mistral") as shown:
        await shown.shows("\u25b8 Mistral Small")
        await shown.press("e")
        await go_to(shown, "tensor_parallel_size")
        await shown.shows("3 GPUs are not there (there is 1)", "extra_args.foo: no such flag", "2 remarks in all")


async def test_choices_flags_and_defaults(tmp_path: Path) -> None:
    stage = filled(tmp_path)
    async with opened(stage, (100, 40), recipe="mistral") as shown:
        await shown.shows("\u25b8 Mistral Small")
        await shown.press("e")
        await go_to(shown, "backend")
        await shown.press("enter")
        await shown.shows("tabbyapi")
        await go_to(shown, "pin ")
        await shown.press("enter")
        await go_to(shown, "max_num_seqs")
        await shown.press("enter", *"9", "enter", "backspace")
        await shown.press("f2")
        await eventually(lambda: stored(stage))
    (body,) = stored(stage)
    assert (body["backend"], body["pin"], body["max_num_seqs"]) == ("tabbyapi", True, 256)


async def test_other_arguments_are_yaml(tmp_path: Path) -> None:
    stage = filled(tmp_path)
    async with opened(stage, (100, 40), recipe="mistral") as shown:
        await shown.shows("\u25b8 Mistral Small")
        await shown.press("e")
        await go_to(shown, "extra_args")
        await shown.press("enter", *"seed: [1", "escape")
        await shown.shows("not valid YAML")
        await shown.press("backspace", "backspace", "7", "enter", *"flash-attn: true", "escape")
        await shown.shows("seed, flash-attn")
        await shown.press("f2")
        await eventually(lambda: stored(stage))
    assert stored(stage)[0]["extra_args"] == {"seed": 7, "flash-attn": True}


async def test_leaving_with_changes_asks(tmp_path: Path) -> None:
    stage = filled(tmp_path)
    async with opened(stage, (100, 40), recipe="mistral") as shown:
        await shown.shows("\u25b8 Mistral Small")
        for key, gone in (("escape", False), ("d", True)):
            await shown.press("e")
            await shown.shows("Recipe Mistral Small")
            await go_to(shown, "pin ")
            await shown.press("enter", "escape")
            await shown.shows("are not stored.")
            await shown.press(key)
            await shown.hides("are not stored.")
            assert ("\u2022 Recipe" in shown.text) is not gone
            if not gone:
                await shown.press("enter", "escape")
                await shown.hides("Recipe Mistral")
        assert stored(stage) == []
        await shown.press("e")
        await go_to(shown, "pin ")
        await shown.press("enter", "escape", "s")
        await eventually(lambda: stored(stage))


async def test_a_change_of_somebody_else_is_shown_and_lost_by_nobody(tmp_path: Path) -> None:
    stage = filled(tmp_path)
    async with opened(stage, (100, 40), recipe="mistral") as shown:
        await shown.shows("\u25b8 Mistral Small")
        await shown.press("e")
        await shown.shows("Recipe Mistral Small")
        await go_to(shown, "pin ")
        await shown.press("enter")
        one = stage.recipes[3]
        one.recipe, one.version = {**one.recipe, "max_num_seqs": 7}, 2
        await shown.press("f2")
        await shown.shows("Changed meanwhile", "- max_num_seqs: 7", "+ pin: true")
        await shown.press("n")
        await shown.hides("Changed meanwhile")
        assert "\u2022 Recipe Mistral Small" in shown.text and stage.recipes[3].version == 2
        await shown.press("f2", "y")
        await shown.shows("mistral stored, version 3")


async def test_a_copy_is_a_form_with_another_id(tmp_path: Path) -> None:
    stage = filled(tmp_path)
    async with opened(stage, (100, 40), recipe="mistral") as shown:
        await shown.shows("\u25b8 Mistral Small")
        await shown.press("c")
        await shown.shows("\u2022 Recipe Mistral Small copy", "mistral-copy")
        await shown.press("f2")
        await shown.shows("mistral-copy stored")
    (body,) = stored(stage, "POST")
    assert "port" not in body and body["max_model_len"] == 8192


async def test_a_new_one_needs_an_id_of_its_own(tmp_path: Path) -> None:
    stage = filled(tmp_path)
    async with opened(stage, (80, 24)) as shown:
        await shown.press("2", "n")
        await shown.shows("Recipe new")
        await shown.press("enter", *"mistral", "enter", "f2")
        await shown.shows("there is a recipe mistral already")
        await shown.press("enter", "2", "enter", "down", "down", "enter", *"/m.gguf", "enter", "f2")
        await shown.shows("mistral2 stored")
    assert stored(stage, "POST")[0]["model_path"] == "/m.gguf"
