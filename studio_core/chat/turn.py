"""A chat turn: the person's message, the answer through the gateway, both stored, whoever listens or leaves."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import msgspec

from studio_core import wire
from studio_core.errors import Conflict, StudioError, Unavailable
from studio_core.store.chat import ChatTable

# What a crash may lose of an answer.
FLUSH_S = 0.25
TITLE_CHARS = 60
_END = None


class Turns:
    """`address()` is the gateway's host and port, `key()` one of its keys: everything that generates goes through it."""

    def __init__(self, chats: ChatTable, address: Callable[[], tuple[str, int]], key: Callable[[], str]) -> None:
        self._chats = chats
        self._address = address
        self._key = key
        self._running: dict[str, asyncio.Task[None]] = {}

    async def start(self) -> None:
        """What an earlier controller was writing when it died is marked interrupted."""
        await self._chats.interrupt()

    async def stop(self) -> None:
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def turn(self, chat_id: str, content: str, model: str | None) -> AsyncIterator[wire.Event]:
        """Events: message (the stored question), delta, usage, done (the stored answer), error. The reader may leave.

        Raises:
            NotFound: no such chat. Conflict: it is answering already, or no model was chosen.
        """
        chat = await self._chats.get(chat_id)
        if chat_id in self._running:
            raise Conflict("this chat is being answered", "", "wait for the answer, or open another chat")
        model = model or chat.session.model
        if not model:
            raise Conflict("no model was chosen for this chat", "", "name one in the request")
        asked = wire.ChatMessage(id=secrets.token_hex(8), session_id=chat_id, role="user", content=content)
        question = await self._chats.append(asked)
        if not chat.messages:
            await self._chats.change(chat_id, " ".join(content.split())[:TITLE_CHARS] or None, model)
        events: asyncio.Queue[wire.Event | None] = asyncio.Queue()
        events.put_nowait(wire.Event(event="message", data=wire.to_builtins(question)))
        history = [_sent(message) for message in (*chat.messages, question)]
        task = asyncio.create_task(self._answer(chat_id, model, history, events))
        self._running[chat_id] = task
        task.add_done_callback(lambda _: self._running.pop(chat_id, None))
        while (event := await events.get()) is not _END:
            yield event

    async def _answer(
        self, chat_id: str, model: str, history: list[dict[str, Any]], events: asyncio.Queue[wire.Event | None]
    ) -> None:
        answer = wire.ChatMessage(
            id=secrets.token_hex(8), session_id=chat_id, role="assistant", content="", model=model, state="streaming"
        )
        try:
            await self._stream(model, history, answer, events)
            answer.state = "complete"
        except (StudioError, httpx.HTTPError, msgspec.DecodeError) as error:
            answer.state = "interrupted"
            problem = error if isinstance(error, StudioError) else Unavailable("the answer broke off", str(error))
            events.put_nowait(wire.Event(event="error", data=problem.body()))
        except asyncio.CancelledError:
            answer.state = "interrupted"
            raise
        finally:
            with contextlib.suppress(StudioError):
                stored = await asyncio.shield(self._chats.append(answer))
                events.put_nowait(wire.Event(event="done", data=wire.to_builtins(stored)))
            events.put_nowait(_END)

    async def _stream(
        self, model: str, history: list[dict[str, Any]], answer: wire.ChatMessage, events: asyncio.Queue[wire.Event | None]
    ) -> None:
        host, port = self._address()
        body = {"model": model, "messages": history, "stream": True, "stream_options": {"include_usage": True}}
        headers = {"Authorization": f"Bearer {self._key()}"}
        flushed = time.monotonic()
        async with (
            httpx.AsyncClient(timeout=httpx.Timeout(None, connect=5.0), trust_env=False, verify=False) as client,
            client.stream("POST", f"http://{host}:{port}/v1/chat/completions", json=body, headers=headers) as response,
        ):
            if response.status_code != httpx.codes.OK:
                raise _refused(response.status_code, await response.aread())
            async for line in response.aiter_lines():
                if not line.startswith("data:") or line[5:].strip() == "[DONE]":
                    continue
                self._take(msgspec.json.decode(line[5:]), answer, events)
                if time.monotonic() - flushed > FLUSH_S:
                    await self._chats.append(answer)
                    flushed = time.monotonic()

    def _take(self, chunk: dict[str, Any], answer: wire.ChatMessage, events: asyncio.Queue[wire.Event | None]) -> None:
        if "error" in chunk:
            raise _refused(502, msgspec.json.encode(chunk))
        for choice in chunk.get("choices") or ():
            text = (choice.get("delta") or {}).get("content")
            if text:
                answer.content = (answer.content or "") + text
                events.put_nowait(wire.Event(event="delta", data={"content": text}))
        if usage := chunk.get("usage"):
            answer.request_prompt_tokens = usage.get("prompt_tokens")
            answer.request_completion_tokens = usage.get("completion_tokens")
            events.put_nowait(wire.Event(event="usage", data=usage))


def _sent(message: wire.ChatMessage) -> dict[str, Any]:
    return {"role": message.role, "content": message.content or ""}


def _refused(status: int, body: bytes) -> StudioError:
    try:
        error = msgspec.json.decode(body)["error"]
        text = str(error.get("message", error)) if isinstance(error, dict) else str(error)
    except (msgspec.DecodeError, KeyError, TypeError):
        text = body.decode("utf-8", "replace")[:500]
    return Unavailable("the model did not answer", text, f"the gateway said {status}")
