"""Talking to a model through the stage: the answer streams, is stored, breaks, is left."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.style import Style

from studio_core import wire
from studio_tui import prose
from studio_tui.screens.chat import Chat
from studio_tui.widgets.message_list import MessageList
from tests.tui import scene
from tests.tui.opened import opened, stage_in
from tests.tui.stage import Stage
from tests.wait import eventually


def talking(folder: Path) -> Stage:
    stage = stage_in(folder)
    scene.busy(stage)
    return stage


def halting(folder: Path) -> Stage:
    """Its answer stops in the middle until it is let go on."""
    stage = talking(folder)
    stage.turn.insert(2, ("pause", None))
    stage.hold_turn.clear()
    return stage


async def test_an_answer_streams_into_a_new_chat(tmp_path: Path) -> None:
    stage = halting(tmp_path)
    async with opened(stage) as shown:
        await shown.press("4", *"primes", "enter")
        await shown.shows("you", "primes", "smollm2", "Two", "answering")
        assert "five" not in shown.text
        stage.hold_turn.set()
        await shown.shows("Two, three, five.", "7 tokens")
        begun = next(body for method, path, body in stage.asked if (method, path) == ("POST", "/chats"))
        assert begun["model"] == "smollm2"
        turn = next(body for _, path, body in stage.asked if path.startswith("/chats/c3/turn"))
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


async def test_an_answer_that_comes_while_the_app_ends_is_not_drawn(tmp_path: Path) -> None:
    """Its parts go one by one, and with each its styles."""
    stage = halting(tmp_path)
    async with opened(stage) as shown:
        await shown.press("4", *"primes", "enter")
        await shown.shows("Two")
        app = shown.app
        close, chat = app._close_all, app.screen
        assert isinstance(chat, Chat)

        async def closed() -> None:
            await chat.query_one(MessageList).remove()
            stage.hold_turn.set()
            await eventually(lambda: chat._answer is not None and chat._answer.over)
            await app._beat()
            await close()

        app._close_all = closed  # type: ignore[method-assign]


async def test_stopping_leaves_what_was_written(tmp_path: Path) -> None:
    stage = halting(tmp_path)
    async with opened(stage) as shown:
        await shown.press("4", *"primes", "enter")
        await shown.shows("Two", "esc stops the answer")
        await shown.press("escape")
        await shown.shows("stopped", "esc: keys")
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
        await shown.shows("RECIPE ")


async def test_what_was_begun_to_be_written_waits_in_its_chat(tmp_path: Path) -> None:
    async with opened(talking(tmp_path), (120, 40)) as shown:
        await shown.press("4", "n", "e", "w", "escape", "left_square_bracket")
        await shown.shows("What is a prime?")
        await shown.press("i", "o", "l", "d", "escape", "ctrl+n")
        await shown.shows("write below; an answer goes on", "new")
        assert " old" not in shown.text
        await shown.press("escape", "left_square_bracket")
        await shown.shows("What is a prime?", " old")


async def test_thoughts_are_shown_while_they_come_and_folded_by_the_answer(tmp_path: Path) -> None:
    stage = talking(tmp_path)
    stage.turn = [("thought", {"content": "let me see, two and three"}), ("pause", None), *stage.turn]
    stage.hold_turn.clear()
    async with opened(stage) as shown:
        await shown.press("4", "a", "enter")
        await shown.shows("\u25be thought, 6 words", "let me see", "thinking")
        stage.hold_turn.set()
        await shown.shows("\u25b8 thought, 6 words", "Two, three, five.")
        assert "let me see" not in shown.text
        await shown.press("escape", "r")
        await shown.shows("let me see, two and three")


async def test_thoughts_of_a_stored_chat_are_folded(tmp_path: Path) -> None:
    stage = talking(tmp_path)
    stage.chats["c1"].messages[1].reasoning = "only itself and one"
    async with opened(stage, (80, 40)) as shown:
        await shown.press("4", "escape", "left_square_bracket")
        await shown.shows("\u25b8 thought, 4 words", "A number above 1")
        assert "only itself" not in shown.text
        await shown.press("r")
        await shown.shows("\u25be thought, 4 words", "only itself and one")


async def test_an_error_stands_in_its_chat(tmp_path: Path) -> None:
    stage = talking(tmp_path)
    stage.turn = [("delta", {"content": "As far as"}), ("error", {"title": "the engine ended", "detail": "exit 9"})]
    async with opened(stage) as shown:
        await shown.press("4", "a", "enter")
        await shown.shows("As far as", "\u2716 the engine ended: exit 9", "interrupted")


async def test_copies_an_answer_and_its_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("STUDIO_CLIPBOARD", "file")
    copied = tmp_path / "cache" / "vllm-studio" / "copied.txt"
    async with opened(talking(tmp_path), (120, 40)) as shown:
        await shown.press("4", "escape", "left_square_bracket")
        await shown.shows("it prints three primes")
        await shown.press("y")
        await shown.shows("the answer: written to")
        assert "it prints **three** primes" in copied.read_text()
        await shown.press("Y")
        await shown.shows("code block 1 of 1: written to")
        assert copied.read_text() == "for n in (2, 3, 5):\n    print(n)\n"


async def test_ten_thousand_messages_cost_what_is_on_the_screen(tmp_path: Path) -> None:
    stage = talking(tmp_path)
    stage.chats["c1"].messages = [
        scene.message("c1", "assistant" if at % 2 else "user", f"message **{at}** of many") for at in range(10_000)
    ]
    async with opened(stage) as shown:
        await shown.press("4", "escape", "left_square_bracket")
        await shown.shows("message 9999 of many", "10 000 messages")
        messages = shown.app.screen.query_one(MessageList)
        assert len(messages._kept) < 30
        await shown.press("pageup")
        await shown.shows("scrolled up", "message 9991 of many")
        await shown.press("home")
        await shown.shows("message **0** of many", "message 1 of many")
        await shown.press("end")
        await shown.shows("message 9999 of many")
        assert len(messages._kept) < 60
        await shown.hides("scrolled up")


async def test_an_answer_that_grows_leaves_who_scrolled_away_where_they_are(tmp_path: Path) -> None:
    stage = talking(tmp_path)
    early, late = ([f"{word} {at}\n\n" for at in range(40)] for word in ("line", "late"))
    whole = scene.message("c1", "assistant", "".join((*early, *late)))
    stage.turn = [
        *(("delta", {"content": text}) for text in early), ("pause", None), *(("delta", {"content": text}) for text in late),
        ("done", wire.to_builtins(whole)),
    ]
    stage.hold_turn.clear()
    async with opened(stage) as shown:
        await shown.press("4", "a", "enter")
        await shown.shows("line 39")
        shown.app.screen.set_focus(shown.app.screen.query_one(MessageList))
        await shown.press("pageup", "pageup")
        await shown.shows("scrolled up")
        before = shown.app.screen.query_one(MessageList).shown
        stage.hold_turn.set()
        await shown.hides("answering")
        assert "late" not in shown.text and shown.app.screen.query_one(MessageList).shown == before


WIDTHS = (20, 33, 60)
TEXT = """# Title\n\nSome **bold words** and `code`, a [link](http://x/y) that goes on for a while.\n\n1. one\n2. two
   - nested\n\n> a quote\n\n```python\nprint("a very long line of code that is cut at the width")\n```\n
| a | b |\n|---|---|\n| 1 | 2 |\n\n---\nend
"""


@pytest.mark.parametrize("width", WIDTHS)
def test_a_text_that_grew_is_drawn_like_one_that_came_whole(width: int) -> None:
    look = {name: Style() for name in ("base", *prose.STYLES)}
    grown = prose.Prose()
    for at in range(0, len(TEXT), 3):
        assert all(row.cell_length <= width for row in grown.rows(TEXT[:at], width, look, whole=False))
    rows = grown.rows(TEXT, width, look, whole=False)
    assert [row.text for row in rows] == [row.text for row in prose.Prose().rows(TEXT, width, look)]


@pytest.mark.parametrize(("entity", "drawn"), [
    ("&#8238;", "<U+202E>"), ("&#x1b;[31m", "\ufffd[31m"), ("&ZeroWidthSpace;", "<U+200B>"),
])
def test_an_entity_is_no_way_around_the_boundary(entity: str, drawn: str) -> None:
    look = {name: Style() for name in ("base", *prose.STYLES)}
    (row,) = prose.Prose().rows(f"a{entity}b", 60, look)
    assert row.text == f"a{drawn}b"


async def test_a_chat_gets_another_title(tmp_path: Path) -> None:
    stage = talking(tmp_path)
    async with opened(stage, (120, 40)) as shown:
        await shown.press("4", "escape", "e")
        await shown.shows("no chat is open")
        await shown.press("left_square_bracket")
        await shown.shows("What is a prime?")
        await shown.press("e")
        await shown.shows("Rename the chat", "Primes in Python")
        await shown.press("ctrl+u", "enter")
        await shown.shows("give it a title")
        await shown.press(*"Sieves", "enter")
        await eventually(lambda: stage.chats["c1"].session.title == "Sieves", what="the title is stored")
        await shown.hides("Primes in Python")
        await shown.shows("Sieves")


async def test_a_chat_is_deleted_when_one_says_so_by_its_title(tmp_path: Path) -> None:
    stage = talking(tmp_path)
    async with opened(stage, (120, 40)) as shown:
        await shown.press("4", "escape", "left_square_bracket")
        await shown.shows("What is a prime?")
        await shown.press("i", *"half", "escape", "d")
        await shown.shows("Delete the chat Primes in Python?")
        await shown.press("n")
        await shown.shows("What is a prime?")
        await shown.press("d", "y")
        await shown.hides("Primes in Python")
        await shown.shows("write below", "A letter to the")
        assert list(stage.chats) == ["c2"] and "half" not in shown.text
