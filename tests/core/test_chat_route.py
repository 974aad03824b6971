"""Chats over HTTP, in the shapes that vLLM Studio's pages and ours read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

from studio_core.controller import sse
from tests.core.control import control


async def test_a_chat_is_started_filled_read_renamed_and_deleted(tmp_path: Path) -> None:
    async with control(tmp_path) as house:
        made = (await house.owner.post("/chats", json={"title": "T", "model": "m"})).json()
        chat = made["session"]["id"]
        assert made["id"] == chat and made["title"] == "T"
        calls = [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
        for body in ({"role": "user", "content": "hi"}, {"id": "m2", "role": "assistant", "content": "ho", "tool_calls": calls}):
            assert (await house.owner.post(f"/chats/{chat}/messages", json=body)).status_code == 200
        await house.owner.post(f"/chats/{chat}/messages", json={"id": "m2", "role": "assistant", "content": "changed"})
        one = (await house.owner.get(f"/chats/{chat}")).json()
        assert [message["content"] for message in one["messages"]] == ["hi", "changed"]
        assert one["session"]["messages"] == one["messages"] and one["message_count"] == 2
        assert (await house.owner.put(f"/chats/{chat}", json={"title": "U"})).json()["session"]["title"] == "U"
        assert [session["title"] for session in (await house.owner.get("/chats")).json()] == ["U"]
        assert (await house.owner.delete(f"/chats/{chat}")).json() == {"success": True}
        assert (await house.owner.get("/chats")).json() == []


async def test_a_turn_that_cannot_begin_keeps_its_status(tmp_path: Path) -> None:
    async with control(tmp_path) as house:
        assert (await house.owner.post("/chats/none/turn", json={"content": "x"})).status_code == 404
        chat = (await house.owner.post("/chats", json={})).json()["id"]
        answer = await house.owner.post(f"/chats/{chat}/turn", json={"content": "x"})
        assert (answer.status_code, answer.json()["title"]) == (409, "no model was chosen for this chat")


async def test_a_turn_without_a_gateway_says_so_and_keeps_the_question(tmp_path: Path) -> None:
    async with control(tmp_path, port=9) as house:
        chat = (await house.owner.post("/chats", json={"model": "m"})).json()["id"]
        answer = await house.owner.post(f"/chats/{chat}/turn", json={"content": "what?"})
        assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/event-stream")
        assert [line for line in answer.text.splitlines() if line.startswith("event:")] == [
            "event: message", "event: error", "event: done",
        ]
        messages = (await house.owner.get(f"/chats/{chat}")).json()["messages"]
        assert [(one["role"], one["state"]) for one in messages] == [("user", "complete"), ("assistant", "interrupted")]


async def test_a_silent_stream_says_that_it_is_there() -> None:
    go_on = asyncio.Event()

    async def frames() -> AsyncIterator[bytes]:
        yield b"one"
        await go_on.wait()
        yield b"two"

    found = []
    async for frame in sse.pinged(frames(), 0.02):
        found.append(frame)
        if len(found) == 4:
            go_on.set()
    assert found[0] == b"one" and set(found[1:-1]) == {sse.PING} and len(found) >= 5 and found[-1] == b"two"


async def test_who_leaves_a_silent_stream_ends_its_source() -> None:
    ended = asyncio.Event()

    async def frames() -> AsyncIterator[bytes]:
        try:
            yield b"one"
            await asyncio.Event().wait()
        finally:
            ended.set()

    stream = sse.pinged(frames(), 0.01)
    assert [await anext(stream), await anext(stream)] == [b"one", sse.PING]
    await stream.aclose()
    assert ended.is_set()
