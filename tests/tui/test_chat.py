"""Talking to a model through the stage: the answer streams, is stored, breaks, is left."""

from __future__ import annotations

from pathlib import Path

from tests.tui import scene
from tests.tui.opened import opened, stage_in
from tests.tui.stage import Stage
from tests.wait import eventually


def talking(folder: Path) -> Stage:
    stage = stage_in(folder)
    scene.busy(stage)
    return stage


async def test_an_answer_streams_into_a_new_chat(tmp_path: Path) -> None:
    stage = talking(tmp_path)
    stage.turn.insert(2, ("pause", None))
    stage.hold_turn.clear()
    async with opened(stage) as shown:
        await shown.press("4", *"primes", "enter")
        await shown.shows("you", "primes", "smollm2", "Two", "answering")
        assert "five" not in shown.text
        stage.hold_turn.set()
        await shown.shows("Two, three, five.", "7 tokens")
        begun = next(body for method, path, body in stage.asked if (method, path) == ("POST", "/chats"))
        assert begun["model"] == "smollm2"
        turn = next(body for _, path, body in stage.asked if path == "/chats/c3/turn")
        assert turn == {"content": "primes", "model": "smollm2"}


async def test_a_stored_chat_is_opened_and_gone_on_with(tmp_path: Path) -> None:
    stage = talking(tmp_path)
    async with opened(stage, (120, 40)) as shown:
        await shown.press("4")
        await shown.shows("Primes in Python", "A letter to the")
        await shown.press("escape", "left_square_bracket")
        await shown.shows("What is a prime?", "for n in (2, 3, 5):", "it prints three primes", "58 tokens")
        await shown.press("i", *"more", "enter")
        await eventually(lambda: stage.wanted("POST", "/chats/c1/turn"))
        await shown.shows("Two, three, five.")


async def test_a_long_message_has_lines(tmp_path: Path) -> None:
    stage = talking(tmp_path)
    async with opened(stage) as shown:
        await shown.press("4", "a", "ctrl+j", "b", "enter")
        await eventually(lambda: any(body == {"content": "a\nb", "model": "smollm2"} for _, _, body in stage.asked))


async def test_stopping_leaves_what_was_written(tmp_path: Path) -> None:
    stage = talking(tmp_path)
    stage.turn.insert(2, ("pause", None))
    stage.hold_turn.clear()
    async with opened(stage) as shown:
        await shown.press("4", *"primes", "enter")
        await shown.shows("Two")
        await shown.press("escape")
        await shown.shows("stopped")
        await shown.hides("answering")
        assert "three, five" not in shown.text
        assert stage.wanted("DELETE", "/chats/c3/turn")
        stage.stopped.clear()
        await shown.press(*"again", "enter")
        await shown.shows("Two, three, five.")


async def test_an_error_in_the_middle_keeps_the_text_and_is_told(tmp_path: Path) -> None:
    stage = talking(tmp_path)
    problem = {"title": "the engine ended", "detail": "the engine ended: exit 9"}
    stage.turn = [("delta", {"content": "As far as"}), ("error", problem)]
    async with opened(stage) as shown:
        await shown.press("4", *"primes", "enter")
        await shown.shows("As far as", "interrupted", "the engine ended", "exit 9")


async def test_without_a_model_it_says_what_to_do(tmp_path: Path) -> None:
    stage = talking(tmp_path)
    stage.status.instances = []
    async with opened(stage) as shown:
        await shown.press("4")
        await shown.shows("nothing runs", "launch a recipe first")
        await shown.press("x", "enter")
        await shown.shows("no model runs")
        assert not stage.wanted("POST", "/chats")


async def test_letters_are_text_in_the_input_and_keys_outside(tmp_path: Path) -> None:
    async with opened(talking(tmp_path)) as shown:
        await shown.press("4", "q", "2")
        await shown.shows("q2")
        await shown.press("escape", "2")
        await shown.shows("CONTEXT")
