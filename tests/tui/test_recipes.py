"""The list of recipes: columns, filter, order, marks, pins; and what is done with one or with all that are marked."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.screen import Screen

from studio_core import wire
from studio_tui.listing import NAMES, Order, ago, arrange
from studio_tui.screens import recipes
from studio_tui.screens.recipes import Recipes
from studio_tui.view import View
from studio_tui.widgets.recipe_details import RecipeDetails, lines
from tests.tui import scene
from tests.tui.opened import Opened, opened, stage_in
from tests.tui.stage import Stage
from tests.wait import eventually


def filled(folder: Path) -> Stage:
    stage = stage_in(folder)
    scene.busy(stage)
    stage.recipes[2].recipe = {**stage.recipes[2].recipe, "tensor_parallel_size": 4, "tags": ["big"]}
    stage.status.foreign = [wire.Foreign(
        pid=7001, ticks=11, name="by-hand", engine="vllm", state="ready", model="org/x", port=9001, owner="ada", proof="tree",
        memory_bytes=12 * scene.GIB, age_s=120.0,
    )]
    return stage


def order_of(shown: Opened) -> list[str]:
    """The names in the list from above."""
    lines = [row.strip("\u2502 \u25b8\u2713\u2691") for row in shown.text.splitlines()]
    names = ("SmolLM2 135M", "Qwen3 8B", "Llama 3.3 70B", "Mistral Small", "Old one", "Torn")
    return [name for row in lines for name in names if row.startswith(name) and ("\u25cf" in row or len(row) > 40)]


async def test_every_column_is_there_when_there_is_room(tmp_path: Path) -> None:
    async with opened(filled(tmp_path), (130, 40)) as shown:
        await shown.press("2")
        await shown.shows("RECIPE", "STATE", "ENGINE", "GPUS", "SIZE", "CONTEXT", "USED", "LOADED IN", "TOK/S")
        await shown.shows("140 GiB", "8 192", "2 h", "3 m 2 s", "92")
        await shown.pilot.resize_terminal(60, 20)
        await shown.shows("RECIPE", "STATE", "USED")
        await shown.hides("TOK/S")


async def test_the_details_stand_on_one_ground(tmp_path: Path) -> None:
    async with opened(filled(tmp_path), (80, 24)) as shown:
        await shown.press("2")
        await shown.shows("address")
        details = shown.app.screen.query_one(RecipeDetails)
        words = [each for y in range(details.size.height) for each in details.render_line(y) if each.text.strip()]
        assert words and len({each.style.bgcolor if each.style else None for each in words} - {None}) == 1
        assert all(each.style and each.style.bgcolor for each in words), "the terminal's own ground would show"


async def test_sorted_by_any_column_with_an_arrow(tmp_path: Path) -> None:
    async with opened(filled(tmp_path), (130, 44)) as shown:
        await shown.press("2")
        await shown.shows("USED\u25b4", "by used \u25b4")
        for column in ("LOADED IN\u25b4", "TOK/S\u25be", "RECIPE\u25b4", "STATE\u25b4", "ENGINE\u25b4", "GPUS\u25be", "SIZE\u25be"):
            await shown.press("o")
            await shown.shows(column)
        assert order_of(shown)[:2] == ["Llama 3.3 70B", "Mistral Small"] and order_of(shown)[-1] == "Torn"
        await shown.press("O")
        await shown.shows("SIZE\u25b4")
        assert order_of(shown)[0] == "SmolLM2 135M" and order_of(shown)[-1] == "Torn", "what is not known stays last"
        await shown.pilot.click("#recipes", offset=(4, 0))
        await shown.shows("RECIPE\u25b4")


async def test_the_filter_keeps_what_has_every_word(tmp_path: Path) -> None:
    async with opened(filled(tmp_path), (100, 30)) as shown:
        await shown.press("2", "slash", *"vllm")
        await shown.shows("Llama 3.3 70B", "by-hand", "1 of 6 with 'vllm'")
        await shown.hides("Mistral Small")
        await shown.press(*" big", "enter")
        await shown.hides("by-hand")
        await shown.press("slash", *" nothing")
        await shown.shows("no recipe has these words")
        await shown.press("escape")
        await shown.shows("Mistral Small")


async def test_marked_ones_are_stopped_together(tmp_path: Path) -> None:
    stage = filled(tmp_path)
    async with opened(stage, (100, 30)) as shown:
        await shown.press("2", "space", "space")
        await shown.shows("2 marked", "\u2713")
        await shown.press("s")
        await shown.shows("Stop 2 models?", "SmolLM2 135M", "Qwen3 8B")
        await shown.press("y")
        await eventually(lambda: len(stage.wanted("POST", "/evict")) == 2)
        await shown.press("escape")
        await shown.hides("2 marked")


async def test_a_pin_is_stored_on_the_version_that_was_read(tmp_path: Path) -> None:
    stage = filled(tmp_path)
    async with opened(stage, (100, 30), recipe="mistral") as shown:
        await shown.shows("\u25b8 Mistral Small")
        await shown.press("p")
        await shown.shows("mistral pinned")
        (stored,) = [body for verb, path, body in stage.asked if verb == "PUT"]
        assert stored["pin"] is True and stored["version"] == 1
        stage.publish("status")
        stage.status.holds = ["x"]
        stage.publish("status")
        await shown.shows("\u2691 Mistral Small")
        await shown.press("p")
        await shown.shows("no longer pinned")


async def test_marked_ones_are_launched_together_and_asked_by_name(tmp_path: Path) -> None:
    stage = filled(tmp_path)
    stage.config = {"settings": [{"name": "exclusive", "value": True}]}
    away = wire.Leaving(instance_id="smollm2-1", recipe_id="smollm2", name="SmolLM2 135M", state="ready", why="it has its GPU")
    stage.plans = {
        "mistral": wire.LaunchPlan(recipe_id="mistral", outcome="starts", expected_s=4.0, leaving=[away]),
        "smollm2": wire.LaunchPlan(recipe_id="smollm2", outcome="serves"),
    }
    async with opened(stage, (100, 30), recipe="mistral") as shown:
        await shown.shows("\u25b8 Mistral Small")
        await shown.press("space", "home", "space", "end", "up", "space")
        await shown.shows("3 marked")
        await shown.press("enter")
        await shown.shows("only one of", "the setting exclusive is on")
        assert not stage.wanted("POST", "/launch")
        stage.config = {"settings": [{"name": "exclusive", "value": False}]}
        await shown.press("enter")
        await shown.shows("Launch 2 models?", "SmolLM2 135M runs already", "Mistral Small starts in about 4.0 s", "Old one starts")
        await shown.shows("SmolLM2 135M leaves: it has its GPU.")
        await shown.press("y")
        await eventually(lambda: len(stage.wanted("POST", "/launch")) == 2)
        assert {path.partition("?")[0] for path in stage.wanted("POST", "/launch")} == {"/launch/mistral", "/launch/old"}


async def test_marked_ones_that_want_one_gpu_are_not_launched_against_each_other(tmp_path: Path) -> None:
    stage = filled(tmp_path)
    stage.config = {"settings": [{"name": "exclusive", "value": False}]}
    for one in stage.recipes[:2]:
        one.recipe["gpus"] = [0]
    async with opened(stage, (100, 30)) as shown:
        await shown.press("2", "space", "space", "enter")
        await shown.shows("want the same GPU")
        assert not stage.wanted("POST", "/launch")


async def test_of_several_that_are_deleted_one_that_runs_keeps_nobody(tmp_path: Path) -> None:
    stage = filled(tmp_path)
    stage.kept = {"smollm2"}
    async with opened(stage, (100, 30)) as shown:
        await shown.press("2", "space", "space", "d")
        await shown.shows("Delete 2 recipes?", "  SmolLM2 135M", "  Qwen3 8B")
        await shown.press("y")
        await shown.shows("smollm2 is running", "Qwen3 8B: deleted")
        assert [one.id for one in stage.recipes if one.id in ("smollm2", "qwen3-8b")] == ["smollm2"]


async def test_deleting_asks_with_the_name_and_a_running_one_stays(tmp_path: Path) -> None:
    stage = filled(tmp_path)
    async with opened(stage, (100, 30), recipe="old") as shown:
        await shown.shows("\u25b8 Old one")
        await shown.press("d")
        await shown.shows("Delete the recipe Old one?")
        await shown.press("n")
        await shown.hides("Delete the recipe")
        assert not stage.wanted("DELETE", "/recipes")
        stage.refusal = 409, {"title": "recipe old is running", "detail": "", "hint": "stop it first", "code": "conflict"}
        await shown.press("d", "y")
        await shown.shows("recipe old is running", "stop it first")
        stage.refusal = None
        await shown.press("d", "y")
        await shown.shows("Old one: deleted")
        assert [one.id for one in stage.recipes if one.id == "old"] == []


async def test_the_exact_command_with_the_origin_of_each_value(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("STUDIO_CLIPBOARD", "file")
    stage = filled(tmp_path)
    stage.checks["smollm2"] = wire.Check(
        problems=[wire.Finding(field="tp", text="3 GPUs are not there", hint="there is 1")],
        argv=["llama-server", "--model", "/models/a b.gguf", "--port", "0", "-1"],
        environment=[wire.Variable(name="HF_TOKEN", value="(hidden)", origin="recipe"),
                     wire.Variable(name="PATH", value="/usr/bin", origin="inherited")],
    )
    async with opened(stage, (100, 40)) as shown:
        await shown.press("2", "x")
        await shown.shows("wrong  tp: 3 GPUs are not there", "llama-server", "--model '/models/a b.gguf'", "--port 0 -1")
        await shown.shows("Environment from the recipe", "HF_TOKEN=(hidden)", "Environment from this machine")
        await shown.press("y")
        await shown.shows("the command: written to")
        copied = tmp_path / "cache" / "vllm-studio" / "copied.txt"
        assert copied.read_text() == "llama-server --model '/models/a b.gguf' --port 0 -1"
        await shown.press("j", "escape")
        await shown.hides("HF_TOKEN")


async def test_a_foreign_engine_is_attached_detached_and_stopped_by_its_name(tmp_path: Path) -> None:
    stage = filled(tmp_path)
    async with opened(stage, (100, 40)) as shown:
        await shown.press("2", "G")
        await shown.shows("\u25c7 foreign", "7001 of ada", "12.0 GiB", "port:9001", "Enter serves it")
        await shown.press("enter")
        await shown.shows("Attach by-hand", "vllm of ada, pid 7001, port 9001, 12.0 GiB of GPU memory")
        await shown.press("x", "enter")
        await shown.shows("by-hand is served as x")
        stage.publish("status")
        await shown.shows("\u25c6 attached")
        await shown.press("enter")
        await shown.shows("Detach by-hand")
        await shown.press("y")
        await shown.shows("served no more")
        await shown.press("s")
        await shown.shows("To end it, type its name: by-hand")
        await shown.press("n", "o", "enter")
        await shown.shows("type by-hand to do it")
        assert not stage.wanted("POST", "/foreign/7001/stop")
        await shown.press("backspace", "backspace", *"by-hand", "enter")
        await shown.shows("by-hand has ended")
    (body,) = [body for verb, path, body in stage.asked if path == "/foreign/7001/stop"]
    assert body == {"ticks": 11, "confirm": "by-hand", "force": False}


async def test_a_foreign_engine_that_wants_a_key_is_asked_for_it(tmp_path: Path) -> None:
    stage = filled(tmp_path)
    stage.status.foreign[0].state = "keyed"
    async with opened(stage, (100, 40)) as shown:
        await shown.press("2", "G", "enter", "enter")
        await shown.shows("It wants a key")
        await shown.press(*"s3cret")
        await shown.hides("s3cret")
        await shown.press("enter")
        await shown.shows("is served as by-hand")
    (body,) = [body for verb, path, body in stage.asked if path == "/foreign/7001/attach"]
    assert body == {"name": "by-hand", "key": "s3cret", "ticks": 11}


def many(count: int) -> tuple[wire.RecipeView, ...]:
    return tuple(scene.recipe(f"r{at}", f"Model {at * 7919 % count}", size_bytes=at * 1000 % 777) for at in range(count))


def test_thousands_are_arranged_in_a_moment() -> None:
    recipes, view = many(2000), View()
    arrange(recipes, {}, view, "", Order())
    best = min(_timed(recipes, view, name) for name in NAMES for _ in range(2))
    assert best < 0.1


def _timed(recipes: tuple[wire.RecipeView, ...], view: View, name: str) -> float:
    began = time.perf_counter()
    arrange(recipes, {}, view, "model 1", Order(name))
    return time.perf_counter() - began


async def test_two_thousand_recipes_are_walked_through(tmp_path: Path) -> None:
    stage = stage_in(tmp_path)
    stage.recipes = list(many(2000))
    async with opened(stage, (100, 30)) as shown:
        await shown.press("2")
        await shown.shows("Model 0")
        await shown.press("G")
        await shown.shows("Model 1999" if "Model 1999" in shown.text else "Model 999")
        await shown.press("slash", *"r1234.", "enter")
        await shown.shows("1 of 2000", "/models/r1234.gguf")


async def test_a_step_through_them_lays_nothing_out_and_a_status_arranges_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = stage_in(tmp_path)
    stage.recipes = list(many(200))
    done: list[str] = []

    def noted(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any, **more: Any) -> Any:
            done.append(name)
            return real(*given, **more)
        return call

    monkeypatch.setattr(Screen, "_refresh_layout", noted("layout", Screen._refresh_layout))
    monkeypatch.setattr(recipes, "arrange", noted("arranged", arrange))
    async with opened(stage, (100, 30)) as shown:
        await shown.press("2")
        await shown.shows("Model 0", "/models/r")
        place, at = shown.app.screen, shown.app.known.status
        assert isinstance(place, Recipes)
        stage.publish("status")
        await eventually(lambda: place.view.status is not at)
        at = place.view.status
        await shown.still()
        done.clear()
        await shown.press("j", "j", "G", "g", "pagedown")
        stage.publish("status")
        await eventually(lambda: place.view.status is not at)
        assert done == []


async def test_they_are_asked_for_once_at_the_start(tmp_path: Path) -> None:
    stage = stage_in(tmp_path)
    stage.recipes = list(many(3))
    async with opened(stage) as shown:
        at = shown.app.known.status
        stage.publish("status")
        await eventually(lambda: shown.app.known.status is not at)
        assert stage.wanted("GET", "/recipes") == ["/recipes"]


@pytest.mark.parametrize("width", [40, 100])
def test_details_are_wrapped_with_the_values_in_a_column(width: int) -> None:
    one = scene.recipe("long", "Long", problems=["too long to stand in one line of forty cells"])
    found = ["".join(text for text, _ in line).rstrip() for line in lines(View(), one, width)]
    assert max(map(len, found)) <= width and "" in found
    first = next(line for line in found if line.startswith("problem"))
    below = found[found.index(first) + 1]
    whole = first.endswith("forty cells")
    assert whole == (width == 100) and below.startswith(" " * len("problem  ")) != whole


@pytest.mark.parametrize(("seconds", "told"), [(None, None), (5, "now"), (61, "1 m"), (7300, "2 h"), (90061, "1 d")])
def test_ages_are_coarse(seconds: float | None, told: str | None) -> None:
    assert ago(seconds) == told


def test_fates_are_the_lives_of_all(tmp_path: Path) -> None:
    stage = filled(tmp_path)
    stage.status.launches = [wire.Launch(id="l", recipe_id="torn", state="failed", failure=scene.FAILURE),
                             wire.Launch(id="l2", recipe_id="old", state="waiting")]
    view = View(status=stage.status, recipes=tuple(stage.recipes))
    fates = view.fates()
    assert {one.id: fates.get(one.id) for one in stage.recipes} == {one.id: view.life(one.id) for one in stage.recipes}


async def test_filter_and_order_come_back(tmp_path: Path) -> None:
    stage = filled(tmp_path)
    async with opened(stage, (100, 30)) as shown:
        await shown.press("2", "slash", *"vllm", "enter", "o", "o")
        await shown.shows("TOK/S" if "TOK/S" in shown.text else "1 of 6")
        place = shown.app.screen
        assert isinstance(place, Recipes)
        kept = place.keep()
        assert (kept["words"], kept["by"], kept["down"]) == ("vllm", "speed", True)
        await shown.press("escape", "o")
        place.recalled(kept)
        place.show(place.view)
        await shown.shows("1 of 6 with 'vllm'", "by tok/s \u25be")
        place.recalled({"words": 7, "by": "nothing", "down": 1})
