"""What a person does on the dashboard and among the recipes, against a scripted API."""

from __future__ import annotations

from pathlib import Path

from studio_core import wire
from studio_core.paths import listen
from studio_tui.pulse import SECOND_S
from studio_tui.screens.place import CALM_S, Place
from tests.tui import scene
from tests.tui.opened import opened, stage_in
from tests.wait import eventually


async def test_the_dashboard_shows_the_machine(tmp_path: Path) -> None:
    stage = stage_in(tmp_path)
    scene.busy(stage)
    async with opened(stage, (120, 40)) as shown:
        await shown.shows("38 %", "4.1/24.0 GiB", "no GPU: the NVIDIA driver is not loaded")
        await shown.shows("\u25cf ready", "\u25d0 loading", "41 %", "no progress yet", "\u2716 failed", "the model does not fit")
        stage.sample(scene.host(71.0), "gone")
        await shown.shows("71 %", "no GPU: gone")


async def test_eight_gpus_and_what_the_driver_does_not_say(tmp_path: Path) -> None:
    stage = stage_in(tmp_path)
    scene.large(stage)
    async with opened(stage, (120, 40)) as shown:
        await shown.shows("7 H100 80GB HBM3", "lost", "N/A", "58.0/80.0 GiB", "412 W")


async def test_a_bar_moves_only_with_milestones(tmp_path: Path) -> None:
    stage = stage_in(tmp_path)
    scene.busy(stage)
    async with opened(stage, (120, 40)) as shown:
        await shown.shows("no progress yet")
        stage.status.instances[2].progress = wire.Progress(stage="loading", percent=12.0, message="loading weights")
        stage.publish("status")
        await shown.shows("12 % \u00b7 loading weights")
        await shown.hides("no progress yet")


async def test_what_studio_did_not_start_is_marked_by_sign_and_word(tmp_path: Path) -> None:
    stage = stage_in(tmp_path)
    scene.busy(stage)
    stage.status.foreign = [
        wire.Foreign(
            pid=7001, ticks=1, name="by hand", engine="vllm", state="ready", port=9001, owner="ada", memory_bytes=12 * scene.GIB
        ),
        wire.Foreign(
            pid=7002, ticks=2, name="served", engine="llamacpp", state="keyed", owner="bob\x1b[2J", attached="s", running=3
        ),
    ]
    async with opened(stage, (180, 40)) as shown:
        await shown.shows("\u25c7 foreign", "vllm of ada, pid 7001", "9001", "12.0 GiB")
        await shown.shows("\u25c6 attached", "llamacpp of bob", "keyed", "3 + 0")
        assert "\x1b" not in shown.text
        await shown.press("end", "enter")
        assert not stage.wanted("GET", "/logs/foreign-7002")


async def test_a_recipe_s_parsers_are_shown_with_their_reasons(tmp_path: Path) -> None:
    stage = stage_in(tmp_path)
    parsers = {
        "tool": wire.Parser(name="glm47", reason="architecture Glm4MoeForCausalLM"),
        "reasoning": wire.Parser(reason="the recipe says none"),
    }
    fields = {"reasoning_parser": "none", "dtype": "auto"}
    stage.recipes = [scene.recipe("glm", "GLM", backend="vllm", parsers=parsers, recipe=fields)]
    async with opened(stage, (120, 40), recipe="glm") as shown:
        await shown.shows("tool parser", "glm47: architecture", "Glm4MoeForCausalLM", "none: the recipe says none", "dtype")
        await shown.hides("reasoning_parser")


async def test_enter_launches_the_selected_recipe(tmp_path: Path) -> None:
    stage = stage_in(tmp_path)
    scene.busy(stage)
    async with opened(stage) as shown:
        await shown.press("2", "down", "enter")
        await eventually(lambda: stage.wanted("POST", "/launch/qwen3-8b"))
        await shown.shows("Qwen3 8B: launch asked for")


async def test_a_refused_launch_says_why(tmp_path: Path) -> None:
    stage = stage_in(tmp_path)
    scene.busy(stage)
    stage.refusal = 409, {"title": "port 8001 is taken", "detail": "by nginx", "hint": "set another port", "code": "port_taken"}
    async with opened(stage) as shown:
        await shown.press("2", "enter")
        await shown.shows("port 8001 is taken", "by nginx", "set another port")


async def test_a_stop_names_the_model_and_can_be_left(tmp_path: Path) -> None:
    stage = stage_in(tmp_path)
    scene.busy(stage)
    async with opened(stage) as shown:
        await shown.press("2", "s")
        await shown.shows("Stop the model SmolLM2 135M?")
        await shown.press("n")
        await shown.hides("Stop the model")
        assert not stage.wanted("POST", "/evict")
        await shown.press("s", "y")
        await eventually(lambda: stage.wanted("POST", "/evict"))
        assert "instance=smollm2-1" in stage.wanted("POST", "/evict")[0]


async def test_what_does_not_run_is_not_stopped(tmp_path: Path) -> None:
    stage = stage_in(tmp_path)
    scene.busy(stage)
    async with opened(stage, recipe="old") as shown:
        await shown.shows("\u25b8 Old one")
        await shown.press("s")
        await shown.shows("Old one does not run")


async def test_a_launch_that_waits_is_cancelled(tmp_path: Path) -> None:
    stage = stage_in(tmp_path)
    scene.busy(stage)
    stage.status.launches = [wire.Launch(id="l9", recipe_id="old", state="waiting", leaving=["SmolLM2 135M"], age_s=3.0)]
    async with opened(stage, (120, 40), recipe="old") as shown:
        await shown.shows("\u25d0 waiting")
        await shown.press("s", "y")
        await eventually(lambda: stage.wanted("POST", "/launch/old/cancel"))
        await shown.press("1")
        await shown.shows("waiting for SmolLM2 135M")


async def test_a_failure_shows_cause_remedy_and_last_lines(tmp_path: Path) -> None:
    stage = stage_in(tmp_path)
    scene.busy(stage)
    async with opened(stage, (120, 40), recipe="mistral") as shown:
        await shown.shows("cause", "the model does not fit", "remedy", "lower max_model_len")
        await shown.shows("last lines", "failed to create context")


async def test_a_gone_controller_is_said_and_nothing_is_lost(tmp_path: Path) -> None:
    stage = stage_in(tmp_path)
    scene.busy(stage)
    async with opened(stage) as shown:
        await shown.shows("SmolLM2 135M")
        stage.stop()
        with listen(stage.places.control_socket):
            await eventually(lambda: "reconnecting" in shown.text, what="it is said")
            await shown.shows("\u25cf ready", "4.1/24.0 GiB")
        stage.status.instances = stage.status.instances[:1]
        stage.start()
        await shown.hides("reconnecting")
        await shown.hides("Qwen3 8B")


async def test_a_studio_that_was_taken_down_stays_down(tmp_path: Path) -> None:
    stage = stage_in(tmp_path)
    scene.busy(stage)
    async with opened(stage, (120, 40)) as shown:
        stage.places.down.touch()
        stage.stop()
        await shown.shows("\u25cb down")
        assert not stage.places.controller_json.exists()


async def test_screens_that_are_not_shown_get_nothing(tmp_path: Path) -> None:
    stage = stage_in(tmp_path)
    scene.busy(stage)
    async with opened(stage) as shown:
        await shown.shows("38 %")
        dashboard = shown.app.screen
        await shown.press("2")
        await shown.shows("LOADED IN")
        seen, figures, at = vars(dashboard)["_reactive_view"], shown.app.known.gpus, shown.app.known.status
        stage.sample(scene.host(99.0), "other")
        stage.publish("status")
        await eventually(lambda: shown.app.known.status is not at)
        # What only the dashboard shows is not even listened to.
        assert vars(dashboard)["_reactive_view"] is seen and shown.app.known.gpus is figures
        await shown.press("1")
        await shown.shows("99 %")


async def test_a_room_in_which_nothing_moves_rests_but_says_at_once_that_studio_is_gone(tmp_path: Path) -> None:
    stage = stage_in(tmp_path)
    async with opened(stage) as shown:
        await shown.press("5")
        await shown.shows("All requests")
        place = shown.app.screen
        assert isinstance(place, Place)
        await eventually(lambda: place.view.link.state == "live")
        assert place.pace == CALM_S
        stage.places.down.touch()
        stage.stop()
        await shown.shows("\u25cb down")
        assert place.pace == SECOND_S


async def test_each_digit_opens_its_place_at_every_size(tmp_path: Path) -> None:
    stage = stage_in(tmp_path)
    scene.large(stage)
    marks = {"1": "REQUESTS", "2": "STATE", "3": "slots are idle", "4": "to smollm2", "5": "12 407", "9": "controller"}
    async with opened(stage) as shown:
        for size in ((60, 20), (80, 24), (120, 40), (200, 60)):
            await shown.pilot.resize_terminal(*size)
            for digit, mark in marks.items():
                await shown.press(*(["escape"] if "to smollm2" in shown.text else []), digit)
                await shown.shows(mark)


async def test_leaving_says_that_engines_go_on(tmp_path: Path) -> None:
    stage = stage_in(tmp_path)
    scene.busy(stage)
    async with opened(stage) as shown:
        await shown.shows("SmolLM2")
        await shown.press("q")
        await eventually(lambda: bool(shown.app._exit_renderables))
        assert "engines go on: SmolLM2 135M (ready)" in str(shown.app._exit_renderables[0])


async def test_the_remedy_is_shown_as_a_change_asked_and_stored(tmp_path: Path) -> None:
    stage = stage_in(tmp_path)
    scene.busy(stage)
    fix = wire.Fix(title="lower max_model_len to 4096, which fits", change={"max_model_len": 4096, "port": None})
    stage.status.instances[3].failure = wire.Failure(title="the model does not fit", fix=fix)
    async with opened(stage, (120, 40), recipe="mistral") as shown:
        await shown.shows("lower max_model_len to 4096")
        await shown.press("f")
        await shown.shows("Change the recipe Mistral Small", "- max_model_len: 8192", "+ max_model_len: 4096", "- port: 8000")
        await shown.press("n")
        await shown.hides("Change the recipe")
        assert stage.wanted("PUT", "/recipes") == []
        await shown.press("f")
        await shown.shows("Change the recipe")
        await shown.press("y")
        await shown.shows("mistral stored, version 2")
    (stored,) = [body for verb, path, body in stage.asked if verb == "PUT"]
    assert stored == {"id": "mistral", "version": 1, "max_model_len": 4096, "gpu_memory_utilization": 0.9}


async def test_without_a_known_change_there_is_nothing_to_store(tmp_path: Path) -> None:
    stage = stage_in(tmp_path)
    scene.busy(stage)
    async with opened(stage, (120, 40), recipe="mistral") as shown:
        await shown.shows("the model does not fit")
        await shown.press("f")
        await shown.shows("no change of Mistral Small is known")
        stage.status.instances[3].failure = wire.Failure(title="taken", fix=wire.Fix(title="port", change={"port": 8000}))
        stage.publish("status")
        await shown.shows("taken")
        await shown.press("f")
        await shown.shows("is changed so already")


async def test_a_remedy_that_is_another_meanwhile_is_not_stored(tmp_path: Path) -> None:
    stage = stage_in(tmp_path)
    scene.busy(stage)
    stage.status.instances[3].failure = wire.Failure(title="taken", fix=wire.Fix(title="choose a port", change={"port": None}))
    async with opened(stage, (120, 40), recipe="mistral") as shown:
        await shown.shows("choose a port")
        await shown.press("f")
        await shown.shows("Change the recipe")
        stage.status.instances[3].failure = wire.Failure(title="full", fix=wire.Fix(title="lower", change={"max_num_seqs": 1}))
        await shown.press("y")
        await shown.shows("failed in another way since")
    assert stage.wanted("PUT", "/recipes") == []
