"""An answer of which nothing comes: it is said what is known, how to stop it, and nothing that was written is lost."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from studio_core import wire
from studio_core.client import Stream
from studio_tui import answer
from studio_tui.answer import Answer
from tests.tui import scene
from tests.tui.opened import Opened, opened, stage_in
from tests.tui.stage import Stage
from tests.wait import eventually

SILENCE_S = 1.5


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """A turn that pauses after its first word, and an app that is impatient."""
    for name, seconds in (("QUIET_S", 0.2), ("HINT_S", 0.4), ("LEAVE_S", 0.2), ("AGAIN_S", 0.02)):
        monkeypatch.setattr(answer, name, seconds)
    stage = stage_in(tmp_path)
    scene.busy(stage)
    stage.given["silence_s"] = SILENCE_S
    stage.turn.insert(2, ("pause", None))
    stage.hold_turn.clear()
    return stage


def lasted(shown: Opened, pattern: str) -> int:
    """The seconds that are told now: a busy machine skips some."""
    found = re.search(pattern, shown.text)
    return int(found[1]) if found else 0


async def test_a_model_that_takes_its_time_is_told_from_a_dead_connection(stage: Stage) -> None:
    stage.turn.insert(2, ("alive", {}))
    async with opened(stage) as shown:
        await shown.press("4", *"primes", "enter")
        await shown.shows("Two")
        # Three times the silence: the pings of the stream are what says that Studio is there.
        await eventually(lambda: lasted(shown, r"nothing for (\d+) s, connected") > 3 * SILENCE_S)
        assert "silent" not in shown.text and "esc stops" in shown.text
        stage.hold_turn.set()
        await shown.shows("Two, three, five.", "7 tokens")
        assert "esc stops" not in shown.text


async def test_a_studio_that_says_nothing_any_more_is_named(stage: Stage) -> None:
    stage.mute = True
    async with opened(stage) as shown:
        await shown.press("4", *"primes", "enter")
        await shown.shows("Two", "Studio is silent for", "esc stops")
        stage.hold_turn.set()
        await shown.shows("Two, three, five.")
        assert "silent" not in shown.text


async def test_no_token_yet_says_how_long_and_what_the_model_does(stage: Stage) -> None:
    stage.turn.insert(0, ("pause", None))
    stage.status.instances = [scene.instance("smollm2", "SmolLM2 135M", "loading", progress=wire.Progress(percent=41.0))]
    chat = stage.chats["c1"]
    async with opened(stage, (100, 30)) as shown:
        await shown.press("4", "escape", "left_square_bracket")
        await shown.shows("What is a prime?")
        assert chat.session.model == "smollm2"
        await shown.press("i", *"more", "enter")
        await eventually(lambda: lasted(shown, "loading 41 % \u00b7 (\\d+) s") > 0)
        await shown.shows("esc stops")


async def test_a_stop_that_is_not_answered_can_be_left(stage: Stage) -> None:
    stage.deaf = True
    async with opened(stage, (100, 30)) as shown:
        await shown.press("4", *"primes", "enter")
        await shown.shows("Two")
        await shown.press(*"next", "escape")
        await shown.shows("stopping", "esc leaves it")
        await shown.press("escape")
        await shown.shows("left before its end", "interrupted", "Two", "next")
        await shown.hides("stopping")
        stage.hold_turn.set()
        await shown.press("enter")
        await shown.shows("Two, three, five.")


async def test_two_escapes_at_once_stop_and_do_not_leave(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answer, "LEAVE_S", 30.0)
    async with opened(stage) as shown:
        await shown.press("4", *"primes", "enter")
        await shown.shows("Two")
        await shown.press("escape", "escape")
        await shown.shows("stopped")
        assert "left before" not in shown.text


async def test_what_was_not_taken_stands_in_the_input_again(stage: Stage) -> None:
    stage.refusal = 507, {"title": "the disk is full", "detail": "", "hint": "make room", "code": "disk_full"}
    async with opened(stage) as shown:
        await shown.press("4", *"a long question", "enter")
        await shown.shows("the disk is full", "not sent", "\u2502 a long question")
        stage.refusal = None
        stage.hold_turn.set()
        await shown.press("enter")
        await shown.shows("Two, three, five.")
        assert len([path for path in stage.wanted("POST", "/chats/c3/turn")]) == 1


async def test_a_stop_before_it_was_asked_sends_nothing(stage: Stage) -> None:
    stage.hold_chat.clear()
    async with opened(stage) as shown:
        await shown.press("4", *"never mind", "enter")
        await eventually(lambda: stage.wanted("POST", "/chats"), what="the chat is to begin")
        await shown.press("escape")
        await shown.shows("stopping")
        stage.hold_chat.set()
        await shown.shows("stopped", "not sent", "\u2502 never mind")
        assert stage.wanted("POST", "/chats/c3/turn") == []


class Clock:
    now = 1000.0

    def monotonic(self) -> float:
        return self.now


class Heard(Stream):
    def __init__(self, heard: float) -> None:
        self.heard = heard


@pytest.mark.parametrize(("now", "token", "alive", "heard", "stopping", "said"), [
    (0, 0, 0, 0, 0, "answering \u00b7 0 s"),
    (60, 58, 45, 59, 0, "answering \u00b7 1 m"),
    (9, 0, 0, 8, 0, "answering \u00b7 9 s"),
    (15, 0, 0, 14, 0, "answering \u00b7 15 s \u00b7 esc stops"),
    (30, 0, 15, 29, 0, "answering \u00b7 30 s \u00b7 connected \u00b7 esc stops"),
    (30, 22, 15, 29, 0, "answering \u00b7 30 s \u00b7 nothing for 8 s, connected"),
    (60, 0, 0, 60, 0, "answering \u00b7 1 m \u00b7 no sign of life for 1 m \u00b7 esc stops"),
    (70, 0, 15, 60, 0, "answering \u00b7 1 m 10 s \u00b7 Studio is silent for 10 s \u00b7 esc stops"),
    (31, 1, 15, 30, 30, "stopping \u00b7 31 s \u00b7 nothing for 30 s, connected"),
    (31, 1, 0, 30, 20, "stopping \u00b7 31 s \u00b7 nothing for 30 s \u00b7 esc leaves it"),
])
def test_what_is_said(
    now: float, token: float, alive: float, heard: float, stopping: float, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything in seconds from the beginning; 0 of `alive` and `stopping`: it has not been."""
    clock = Clock()
    monkeypatch.setattr(answer, "time", clock)
    one, begun = Answer(lambda: None, "c1", "hello", "m"), clock.now  # type: ignore[arg-type, return-value]
    one.token_at, one.alive_at = begun + token, begun + alive if alive else 0.0
    one.stopping = begun + stopping if stopping else 0.0
    one._stream = Heard(begun + heard)
    clock.now = begun + now
    assert one.told("answering", 6.0) == said
