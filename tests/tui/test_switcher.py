"""The switcher: a few letters, Enter, and that model serves next; who leaves for it is asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from studio_core import wire
from studio_tui import fuzzy
from studio_tui.screens.switcher import found
from tests.tui import scene
from tests.tui.opened import opened, stage_in
from tests.tui.stage import Stage
from tests.wait import eventually


def filled(folder: Path) -> Stage:
    stage = stage_in(folder)
    scene.busy(stage)
    for at, one in enumerate(stage.recipes):
        one.last_used_age_s = None if one.id == "old" else 3600.0 * (at + 1)
    stage.plans = {
        "qwen3-8b": wire.LaunchPlan(
            recipe_id="qwen3-8b", outcome="starts", expected_s=38.0, drain_s=300.0, needs_bytes=9 * scene.GIB, source="measured",
            free_bytes=20 * scene.GIB, place="gpu", fits=True,
            leaving=[wire.Leaving(instance_id="s-1", recipe_id="smollm2", name="SmolLM2 135M", state="ready",
                                  why="one model runs at a time", running=2)],
        ),
        "llama-70b": wire.LaunchPlan(
            recipe_id="llama-70b", outcome="pinned", needs_bytes=140 * scene.GIB, source="files", free_bytes=80 * scene.GIB,
            place="gpu", fits=False,
            leaving=[wire.Leaving(instance_id="s-1", recipe_id="smollm2", name="SmolLM2 135M", state="ready",
                                  why="it is on GPU 0 too", running=1, pinned=True)],
        ),
        "smollm2": wire.LaunchPlan(recipe_id="smollm2", outcome="serves"),
    }
    return stage


async def test_a_few_letters_and_enter(tmp_path: Path) -> None:
    stage = filled(tmp_path)
    async with opened(stage, (80, 24)) as shown:
        await shown.press("m")
        await shown.shows("Switch to", "9.0 GiB fits", "too large", "38 s", "now")
        await shown.press("o", "l", "d", "enter")
        await eventually(lambda: stage.wanted("POST", "/launch/old"))
        await shown.hides("Switch to")
        assert stage.wanted("POST", "/launch") == ["/launch/old?wait=false&force=false"]


async def test_who_leaves_why_and_how_long_is_asked_first(tmp_path: Path) -> None:
    stage = filled(tmp_path)
    async with opened(stage, (80, 24)) as shown:
        await shown.press("m", "q", "w")
        await shown.shows("SmolLM2 135M leaves after 2 requests")
        await shown.press("enter")
        await shown.shows("SmolLM2 135M leaves: one model runs at a time.", "2 requests in flight are let end first")
        await shown.shows("starts in about 38 s", "needs 9.0 GiB of 20.0 GiB")
        await shown.press("n")
        await shown.hides("leaves:")
        assert not stage.wanted("POST", "/launch")
        await shown.press("m", "q", "w", "enter")
        await shown.shows("leaves:")
        await shown.press("enter")
        await shown.shows("Qwen3 8B: launch asked for")
        assert stage.wanted("POST", "/launch") == ["/launch/qwen3-8b?wait=false&force=false"]


async def test_what_is_pinned_leaves_only_when_a_person_insists(tmp_path: Path) -> None:
    stage = filled(tmp_path)
    async with opened(stage, (80, 24)) as shown:
        await shown.press("m", *"70b", "enter")
        await shown.shows("It is pinned.", "cut off", "at least 140 GiB", "too little", "Insist (y)")
        await shown.press("y")
        await eventually(lambda: stage.wanted("POST", "/launch/llama-70b?wait=false&force=true"))


async def test_it_opens_from_every_place_and_works_in_a_small_window(tmp_path: Path) -> None:
    stage = filled(tmp_path)
    async with opened(stage, (60, 20)) as shown:
        for digit in "12359":
            await shown.press(digit, "m")
            await shown.shows("Switch to", "STARTS IN", "SmolLM2 135M")
            await shown.press("escape")
            await shown.hides("Switch to")
        await shown.press("4", "f3")
        await shown.shows("Switch to")
        await shown.press("x", "x", "x")
        await shown.shows("no recipe has these letters")


async def test_the_arrows_choose(tmp_path: Path) -> None:
    stage = filled(tmp_path)
    async with opened(stage, (80, 24)) as shown:
        await shown.press("m")
        await shown.shows("it serves already")
        await shown.press("down", "pagedown", "pageup", "down", "up", "down", "enter")
        await shown.shows("SmolLM2 135M leaves: one model")


def recipe(name: str, age: float | None) -> wire.RecipeView:
    return scene.recipe(name, name, last_used_age_s=age)


def test_the_last_used_stands_first_and_what_was_never_used_last() -> None:
    recipes = [recipe("b", None), recipe("never", None), recipe("day", 86400.0), recipe("hour", 3600.0)]
    assert [one.id for one in found(recipes, "")] == ["hour", "day", "b", "never"]


@pytest.mark.parametrize(("letters", "best"), [
    ("q8", "Qwen3 8B"), ("l70", "Llama 3.3 70B"), ("coder", "Qwen3 Coder 30B"), ("qw co", "Qwen3 Coder 30B"),
    ("30b", "Qwen3 Coder 30B"),
])
def test_letters_find_the_name_that_a_person_means(letters: str, best: str) -> None:
    names = ["Qwen3 Coder 30B", "Llama 3.3 70B", "Qwen3 8B", "Quick 1.8 draft", "Mistral colder"]
    scored = {name: fuzzy.match(letters, name.lower()) for name in names}
    assert max((name for name in names if scored[name] is not None), key=lambda name: scored[name] or 0) == best


def test_letters_that_are_not_there_in_that_order_find_nothing() -> None:
    assert fuzzy.match("b8", "qwen3 8b") is None and fuzzy.match("qwen x", "qwen3 8b") is None and fuzzy.match("", "a") == 0
