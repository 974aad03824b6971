"""Stored chats and their turns."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

import msgspec
from starlette.responses import Response

from studio_core import wire
from studio_core.controller import sse
from studio_core.controller.endpoint import Call, Endpoint, Table

Tokens = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class Session(wire.Model):
    """A chat to start or to change; what is None stays."""

    id: Name | None = None
    title: str | None = None
    model: str | None = None


class Message(wire.Model):
    """A message to append, or to replace by its id. Fields that vLLM Studio had and nobody reads are ignored."""

    id: Name | None = None
    role: Name = "user"
    content: str | None = None
    model: str | None = None
    tool_calls: list[dict[str, Any]] | None = None
    request_prompt_tokens: Tokens | None = None
    request_completion_tokens: Tokens | None = None
    reasoning: str | None = None


class Turn(wire.Model):
    """What a person says in a chat."""

    content: Annotated[str, msgspec.Meta(min_length=1)]
    model: str | None = None


async def every(call: Call) -> list[wire.ChatSession]:
    return await call.services.chats.list()


async def create(call: Call) -> dict[str, Any]:
    body: Session = call.body
    session = await call.services.chats.create(body.title or "New Chat", body.model, body.id)
    return _shown(wire.Chat(session=session))


async def one(call: Call) -> dict[str, Any]:
    return _shown(await call.services.chats.get(call.path["chat_id"]))


def _shown(chat: wire.Chat) -> dict[str, Any]:
    """vLLM Studio's clients look for the messages inside the session, ours beside it."""
    plain = wire.to_builtins(chat)
    plain["session"]["messages"] = plain["messages"]
    return {**plain["session"], **plain}


async def change(call: Call) -> dict[str, Any]:
    session = await call.services.chats.change(call.path["chat_id"], call.body.title, call.body.model)
    return {"success": True, "session": session}


async def delete(call: Call) -> wire.Done:
    await call.services.chats.delete(call.path["chat_id"])
    return wire.Done()


async def append(call: Call) -> wire.ChatMessage:
    body: Message = call.body
    return await call.services.chats.append(wire.ChatMessage(
        id=body.id or "", session_id=call.path["chat_id"], role=body.role, content=body.content, model=body.model,
        tool_calls=body.tool_calls, request_prompt_tokens=body.request_prompt_tokens,
        request_completion_tokens=body.request_completion_tokens, reasoning=body.reasoning,
    ))


async def turn(call: Call) -> Response:
    """The first event is awaited before the status is sent, so that an early failure keeps its own."""
    events = call.services.turns.turn(call.path["chat_id"], call.body.content, call.body.model)
    first = await anext(events, None)

    async def frames() -> AsyncIterator[bytes]:
        if first is not None:
            yield sse.frame(first.event, first.data, first.id)
        async for event in events:
            yield sse.frame(event.event, event.data, event.id)

    longest = call.services.settings.ping_s
    return sse.stream(sse.pinged(frames(), min(call.query["ping"] or longest, longest)))


async def stop(call: Call) -> wire.ChatMessage:
    return await call.services.turns.end(call.path["chat_id"])


ENDPOINTS: Table = {
    ("GET", "/chats"): Endpoint(every, list[wire.ChatSession]),
    ("POST", "/chats"): Endpoint(create, wire.Chat, body=Session),
    ("GET", "/chats/{chat_id}"): Endpoint(one, wire.Chat),
    ("PUT", "/chats/{chat_id}"): Endpoint(change, body=Session),
    ("DELETE", "/chats/{chat_id}"): Endpoint(delete, wire.Done),
    ("POST", "/chats/{chat_id}/messages"): Endpoint(append, wire.ChatMessage, body=Message),
    ("POST", "/chats/{chat_id}/turn"): Endpoint(turn, body=Turn, media=sse.MEDIA, query=(sse.SILENCE,)),
    ("DELETE", "/chats/{chat_id}/turn"): Endpoint(stop, wire.ChatMessage),
}
