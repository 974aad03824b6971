"""Chat turns with a real database and a peer that says byte by byte what a gateway may say."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from studio_core import wire
from studio_core.chat.turn import Turns, title_of
from studio_core.errors import Conflict, NotFound
from studio_core.store.chat import ChatTable
from studio_core.store.store import Store
from tests.wait import eventually

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
Say = Callable[[bytes], Awaitable[None]]


def delta(text: str, **more: str) -> bytes:
    return f"data: {json.dumps({'choices': [{'delta': {'content': text, **more}}]}, ensure_ascii=False)}\n\n".encode()


USAGE = b'data: {"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 2}}\n\n'
END = b"data: [DONE]\n\n"


@dataclass
class Peer:
    """A TCP server in the gateway's place: runs `script` for each request and keeps what was asked."""

    script: Callable[[Say], Awaitable[None]]
    asked: list[dict[str, Any]] = field(default_factory=list)
    headers: list[str] = field(default_factory=list)
    port: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = next(int(line.split(":")[1]) for line in head.splitlines() if line.lower().startswith("content-length"))
        self.asked.append(json.loads(await reader.readexactly(length)))
        self.headers.append(head)

        async def say(data: bytes) -> None:
            writer.write(data)
            await writer.drain()

        try:
            await self.script(say)
        finally:
            writer.close()


@dataclass
class House:
    chats: ChatTable
    turns: Turns
    peer: Peer

    async def ask(self, chat_id: str, text: str = "hello there") -> list[wire.Event]:
        return [event async for event in self.turns.turn(chat_id, text, None)]

    async def last(self, chat_id: str) -> wire.ChatMessage:
        return (await self.chats.get(chat_id)).messages[-1]


async def plain(say: Say) -> None:
    await say(HEAD + delta("Hi") + b": ping\n\n" + delta(" you") + USAGE + END)


@pytest_asyncio.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    store = Store(tmp_path / "controller.db")
    await store.start()
    peer = Peer(plain)
    server = await asyncio.start_server(peer.serve, "127.0.0.1", 0)
    peer.port = server.sockets[0].getsockname()[1]
    chats = ChatTable(store)
    turns = Turns(chats, lambda: f"http://127.0.0.1:{peer.port}", lambda: "sk-mine")
    await turns.start()
    yield House(chats, turns, peer)
    await turns.stop()
    server.close()
    await server.wait_closed()
    await store.stop()


async def test_an_answer_is_streamed_stored_and_sent_back_as_history(house: House) -> None:
    await house.chats.create("New Chat", "m", "c")
    events = await house.ask("c", "What is\nthis?")
    assert [event.event for event in events] == ["message", "delta", "alive", "delta", "usage", "done"]
    assert "".join(event.data["content"] for event in events if event.event == "delta") == "Hi you"
    chat = await house.chats.get("c")
    assert chat.session.title == "What is this?"
    assert [(one.role, one.content, one.state) for one in chat.messages] == [
        ("user", "What is\nthis?", "complete"), ("assistant", "Hi you", "complete"),
    ]
    assert (chat.messages[1].request_prompt_tokens, chat.messages[1].request_completion_tokens) == (5, 2)
    await house.ask("c", "and then?")
    assert [one["content"] for one in house.peer.asked[1]["messages"]] == ["What is\nthis?", "Hi you", "and then?"]
    assert "authorization: bearer sk-mine" in house.peer.headers[0].lower()
    assert house.peer.asked[0]["model"] == "m" and house.peer.asked[0]["stream"] is True


async def test_any_chunk_boundary_and_any_line_separator_in_the_text(house: House) -> None:
    text = "a\u2028b\x85c\x1cd 🦓 e"

    async def script(say: Say) -> None:
        for byte in HEAD + delta(text).replace(b"\n\n", b"\r\n\r\n") + END:
            await say(bytes([byte]))

    house.peer.script = script
    await house.chats.create("T", "m", "c")
    events = await house.ask("c")
    assert events[-1].data["content"] == text and events[-1].data["state"] == "complete"
    assert (await house.chats.get("c")).session.title == "T"


async def test_text_is_stored_while_the_model_pauses(house: House) -> None:
    go = asyncio.Event()

    async def script(say: Say) -> None:
        await say(HEAD + delta("kept"))
        await go.wait()
        await say(END)

    house.peer.script = script
    await house.chats.create("T", "m", "c")
    asking = asyncio.create_task(house.ask("c"))

    async def stored() -> bool:
        messages = (await house.chats.get("c")).messages
        return bool(messages) and (messages[-1].content, messages[-1].state) == ("kept", "streaming")

    await eventually(stored, what="the text stored in the pause")
    with pytest.raises(Conflict):
        await house.ask("c")
    go.set()
    assert (await asking)[-1].data["state"] == "complete"


async def test_two_at_once_are_one_turn(house: House) -> None:
    await house.chats.create("T", "m", "c")
    results = await asyncio.gather(house.ask("c"), house.ask("c"), return_exceptions=True)
    assert sum(isinstance(result, Conflict) for result in results) == 1
    assert len((await house.chats.get("c")).messages) == 2
    await house.ask("c")


async def test_it_goes_on_when_its_reader_leaves(house: House) -> None:
    go = asyncio.Event()

    async def script(say: Say) -> None:
        await say(HEAD + delta("one "))
        await go.wait()
        await say(delta("two") + END)

    house.peer.script = script
    await house.chats.create("T", "m", "c")
    events = house.turns.turn("c", "hello", None)
    assert (await anext(events)).event == "message"
    await events.aclose()  # type: ignore[attr-defined]
    go.set()

    async def whole() -> bool:
        last = await house.last("c")
        return (last.content, last.state) == ("one two", "complete")

    await eventually(whole, what="the whole answer")


ERROR = b'{"error": {"message": "no such model: m", "hint": "see: studio recipes"}}'
FAULTS = {
    "refused": b"HTTP/1.1 404 Not Found\r\nContent-Length: %d\r\n\r\n%s" % (len(ERROR), ERROR),
    "refused without JSON": b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 4\r\n\r\nuups",
    "error in the stream": HEAD + delta("part") + b"data: " + ERROR + b"\n\n",
    "no end mark": HEAD + delta("part"),
    "cut in the middle": HEAD.replace(b"Connection: close", b"Content-Length: 9999") + delta("part"),
    "no JSON": HEAD + delta("part") + b"data: {oops\n\n" + END,
    "another shape": HEAD + delta("part") + b'data: {"choices": [7]}\n\n' + END,
    "nothing": b"",
}


@pytest.mark.parametrize("name", FAULTS)
async def test_a_broken_answer_is_an_error_and_what_came_is_kept(house: House, name: str) -> None:
    async def script(say: Say) -> None:
        await say(FAULTS[name])

    house.peer.script = script
    await house.chats.create("T", "m", "c")
    events = await house.ask("c")
    assert [event.event for event in events][-2:] == ["error", "done"]
    assert events[-2].data["title"] and events[-2].data["hint"]
    last = await house.last("c")
    assert (last.state, last.content) == ("interrupted", "part" if b"part" in FAULTS[name] else "")
    house.peer.script = plain
    assert (await house.ask("c"))[-1].data["state"] == "complete"


async def test_an_end_of_the_controller_keeps_the_text_marked(house: House) -> None:
    async def script(say: Say) -> None:
        await say(HEAD + delta("so far"))
        await asyncio.Event().wait()

    house.peer.script = script
    await house.chats.create("T", "m", "c")
    events = house.turns.turn("c", "hello", None)
    while (await anext(events)).event != "delta":
        pass
    await house.turns.stop()
    last = await house.last("c")
    assert (last.content, last.state) == ("so far", "interrupted")


async def test_a_person_stops_an_answer_and_the_engine_is_left(house: House) -> None:
    left = asyncio.Event()

    async def script(say: Say) -> None:
        await say(HEAD + delta("so far"))
        try:
            while True:
                await say(b": ping\n\n")
                await asyncio.sleep(0.01)
        except OSError:
            left.set()

    house.peer.script = script
    await house.chats.create("T", "m", "c")
    events = house.turns.turn("c", "hello", None)
    while (await anext(events)).event != "delta":
        pass
    stopped = await house.turns.end("c")
    assert (stopped.content, stopped.state) == ("so far", "stopped")
    assert [(event.event, event.data["state"]) async for event in events if event.event != "alive"] == [("done", "stopped")]
    assert (await house.last("c")).state == "stopped"
    await asyncio.wait_for(left.wait(), 60)
    with pytest.raises(NotFound):
        await house.turns.end("c")
    house.peer.script = plain
    assert (await house.ask("c"))[-1].data["state"] == "complete"


async def test_what_an_earlier_controller_left_streaming_is_interrupted(house: House) -> None:
    await house.chats.create("T", "m", "c")
    await house.chats.append(wire.ChatMessage(id="x", session_id="c", role="assistant", content="half", state="streaming"))
    await house.turns.start()
    assert (await house.last("c")).state == "interrupted"


async def test_what_cannot_begin_stores_nothing(house: House) -> None:
    with pytest.raises(NotFound):
        await house.ask("none")
    await house.chats.create("T", None, "c")
    for _ in range(2):
        with pytest.raises(Conflict, match="no model"):
            await house.ask("c")
    assert (await house.chats.get("c")).messages == []


async def test_thoughts_are_shown_and_kept_and_not_sent_back(house: House) -> None:
    async def script(say: Say) -> None:
        await say(HEAD + delta("", reasoning_content="hmm") + delta("yes") + END)

    house.peer.script = script
    await house.chats.create("T", "m", "c")
    said = [(event.event, event.data) for event in await house.ask("c")][1:3]
    assert said == [("thought", {"content": "hmm"}), ("delta", {"content": "yes"})]
    last = await house.last("c")
    assert (last.content, last.reasoning) == ("yes", "hmm")
    await house.ask("c", "and now?")
    assert [one["content"] for one in house.peer.asked[-1]["messages"]] == ["hello there", "yes", "and now?"]
    assert "hmm" not in json.dumps(house.peer.asked)


async def test_thoughts_alone_are_kept_while_they_come(house: House) -> None:
    """A controller that dies while a model thinks has what it had thought."""
    over = asyncio.Event()

    async def script(say: Say) -> None:
        await say(HEAD + delta("", reasoning="first this"))
        await over.wait()
        await say(END)

    house.peer.script = script
    await house.chats.create("T", "m", "c")
    asked = asyncio.create_task(house.ask("c"))

    async def kept() -> bool:
        return [one.reasoning for one in (await house.chats.get("c")).messages] == [None, "first this"]

    await eventually(kept)
    over.set()
    await asked


def test_titles() -> None:
    assert title_of("  \n ") is None
    assert title_of("short\ttext") == "short text"
    assert title_of("word " * 40) == " ".join(["word"] * 12) + "…"
    assert title_of("x" * 100) == "x" * 60 + "…"


async def test_a_silent_gateway_is_told_from_a_slow_model(house: House) -> None:
    """Its pings come through as signs of life; where three in a row are missing the turn ends, and what came is kept."""
    turns = Turns(house.chats, lambda: f"http://127.0.0.1:{house.peer.port}", lambda: "sk-mine", ping_s=0.5)
    go_on = asyncio.Event()

    async def slow(say: Say) -> None:
        await say(HEAD + delta("One"))
        for _ in range(8):
            await asyncio.sleep(0.2)  # Together longer than the silence that ends it; each far shorter, also where others compute.
            await say(b": ping\n\n")
        await say(delta(" two"))
        await go_on.wait()

    house.peer.script = slow
    chat = (await house.chats.create("T", "m")).id
    told = [event async for event in turns.turn(chat, "count", None)]
    go_on.set()
    kinds = [event.event for event in told]
    assert kinds == ["message", "delta", *["alive"] * 8, "delta", "error", "done"]
    assert "nothing came for 1.5 s" in told[-2].data["detail"] and told[-2].data["hint"]
    last = await house.last(chat)
    assert (last.content, last.state) == ("One two", "interrupted")
